package summary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of some results only the raw records and the tables are kept.
func TestTablesAreMadeAgainOfRawRecords(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "results", "2026-11-29-2core-vm-rivals")
	kept, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "summary.md")
	if err := s.WriteMarkdown(again); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(kept), "## Side by side")
	_, got, ok := strings.Cut(string(made), "## Side by side")
	if !ok || got != want {
		t.Errorf("tables of the raw records = %.400q; want those that are kept: %.400q", got, want)
	}
	if m := s.Meta; m.CPU == "" || m.Cores == 0 || m.Commit == "" || m.Seconds == 0 {
		t.Errorf("of the machine it knows %+v; want what the records have", m)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "summary.json") {
		t.Errorf("Read(an empty directory) = %v; want an error that names what is missing", err)
	}
}
