//go:build unix

package documents

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// The page has every family that the built program shows when all its parts are there.
func TestEveryMetricHasARow(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "-redis", redistest.Start(t).URL())
	testkit.Eventually(t, "Redis is there", func() bool { return p.Metric("dispatcher_session_store_up") == 1 })
	stream, err := http.Get(p.URL("/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	for path, body := range map[string]string{"/metrics": "{}", "/poc/submit_update_event": `{"username":"a","cardId":"c"}`} {
		if status, _, err := p.Post(path, body); status != 200 || err != nil {
			t.Fatalf("POST %s = %d, %v; want 200", path, status, err)
		}
	}
	text, err := os.ReadFile(root + "/docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(text), "|---|---|---|---|\n")
	_, shown := p.Get("/metrics")
	if want := rows(shown); got != want {
		t.Errorf("docs/metrics.md lists other metrics than there are; its table should be\n%s", want)
	}
}

var (
	family = regexp.MustCompile(`(?m)^# HELP (dispatcher_\w+) (.+)\n# TYPE \w+ (\w+)\n\w+(?:\{(.*)\})? `)
	label  = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
)

// rows are the families of an exposition as the table has them.
func rows(exposition string) string {
	var b strings.Builder
	for _, m := range family.FindAllStringSubmatch(exposition, -1) {
		var labels []string
		for _, l := range label.FindAllStringSubmatch(m[4], -1) {
			if l[1] != "le" { // of every histogram
				labels = append(labels, l[1])
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], m[3], strings.Join(labels, ", "), m[2])
	}
	return b.String()
}
