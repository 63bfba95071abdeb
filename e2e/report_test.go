//go:build unix

package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The report of the benchmark, made of results that are kept.
func TestReportOfTheBenchmarkIsWellToRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../bench/results/2026-11-29-2core-vm-rivals")); err != nil {
		t.Fatal(err)
	}
	made := exec.Command("go", "run", "./run", "-page", dir)
	made.Dir = "../bench"
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("go run ./run -page = %v\n%s", err, out)
	}
	page := url.URL{Scheme: "file", Path: filepath.Join(dir, "report.html")}
	b := visit(t, page.String(), 1280, 1000)
	plots := `document.querySelectorAll(".plots canvas")`
	b.until("the plots are drawn", plots+`.length > 10`)
	b.shot("report")
	b.accessible("in the light")
	b.prefer("dark")
	b.until("it is dark", `matchMedia("(prefers-color-scheme: dark)").matches`)
	b.shot("report-dark")
	b.accessible("in the dark")
	eval[any](b, `document.querySelector("#rivals").scrollIntoView({behavior: "instant"})`)
	b.shot("report-plots-dark")
	b.prefer("light")
	b.shot("report-plots")
	b.resize(390, 844)
	b.until("only tables are wider than a phone", `document.documentElement.scrollWidth <= 390`)
	b.fine("")
}
