//go:build unix

package program

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

func TestStartWaitsForEveryListener(t *testing.T) {
	p := Start(t, "-port", "127.0.0.1:0,127.0.0.1:0", "-admin-addr", "127.0.0.1:0", "-drain-window", "0")
	if len(p.Addrs) != 2 || p.Addrs[0] == p.Addrs[1] || p.Admin == "" {
		t.Fatalf("it listens on %q, and for operators on %q; want two addresses and one", p.Addrs, p.Admin)
	}
	if status, _, err := p.Post("/metrics", `{"event_name":"play"}`); status != 200 || err != nil {
		t.Errorf("Post() = %d, %v; want 200", status, err)
	}
	if code := p.Exits(syscall.SIGTERM); code != 0 || !p.HasEnded() {
		t.Errorf("exit code after SIGTERM = %d; want 0; log:\n%s", code, p.Log)
	}
}

func TestMetricsAreOfOneSeriesOrOfOneLabel(t *testing.T) {
	p := Start(t)
	if status, body := p.Get("/health"); status != 200 {
		t.Errorf("GET /health = %d %s; want 200", status, body)
	}
	p.Post("/metrics", "{}")
	if got := p.Metric("dispatcher_events_published_total"); got != 1 {
		_, all := p.Get("/metrics")
		t.Errorf("Metric(events published) = %v; want 1; all:\n%s", got, all)
	}
}

func TestACommandHasACleanEnvironment(t *testing.T) {
	t.Setenv("PORT", "not a port")
	for _, v := range Command(t, []string{"MAX_BODY=1"}).Env {
		if strings.HasPrefix(v, "PORT=") {
			t.Error("the environment of the test is that of the program")
		}
	}
}
