//go:build unix

package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// A prometheus scrapes a running instance four times a second, with our rules.
type prometheus struct {
	t    testing.TB
	addr string
}

func scrape(t testing.TB, instance string) prometheus {
	t.Helper()
	testkit.Need(t, "prometheus")
	rules, err := filepath.Abs(root + "prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, p := t.TempDir(), prometheus{t, testkit.FreeAddr(t)}
	config := fmt.Sprintf("global: {scrape_interval: 250ms, evaluation_interval: 250ms}\nrule_files: [%q]\nscrape_configs:\n- job_name: event-dispatcher\n  static_configs: [{targets: [%q]}]\n", rules, instance)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program.Launch(t, exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+p.addr, "--log.level=error"))
	return p
}

// get reads what the API says into data, if it is there already.
func (p prometheus) get(path string, data any) bool {
	p.t.Helper()
	resp, err := http.Get("http://" + p.addr + path)
	if err != nil {
		return false // it does not listen yet
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("Prometheus answers %s: %.500s", path, body)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		p.t.Fatalf("Prometheus answers %s: %v", path, err)
	}
	return true
}

// has reports whether a query gives numbers.
func (p prometheus) has(query string) bool {
	p.t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	if !p.get("/api/v1/query?query="+url.QueryEscape(query), &data) {
		return false
	}
	for _, r := range data.Result {
		if r.Value[1] == "NaN" {
			return false
		}
	}
	return len(data.Result) > 0
}

// busy keeps a little of everything going until the test ends: events, a consumer,
// refusals, streams that end.
func busy(t testing.TB, p *program.Program) {
	t.Helper()
	listen := func() *http.Response {
		resp, err := http.Get(p.URL("/events"))
		if err != nil {
			return nil // at the end of the test
		}
		return resp
	}
	ends, ended := make(chan struct{}), make(chan struct{})
	if stream := listen(); stream != nil {
		go io.Copy(io.Discard, stream.Body)
		t.Cleanup(func() { stream.Body.Close() })
	}
	go func() {
		defer close(ended)
		for {
			select {
			case <-ends:
				return
			default:
			}
			for _, body := range []string{`{"n":1}`, `{"n":2}`, "nonsense"} {
				_, _, _ = p.Post("/api/events", body)
			}
			if stream := listen(); stream != nil {
				stream.Body.Close()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { close(ends); <-ended })
}

// Every query of the dashboard, and every metric of the alerts, gives something on a real
// Prometheus that scrapes a running instance.
func TestQueriesOfDashboardAndAlertsFindSomething(t *testing.T) {
	t.Parallel()
	service := program.Start(t, "-redis", redistest.Start(t).URL())
	busy(t, service)
	p := scrape(t, service.Addrs[0])

	text, err := os.ReadFile(root + "grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			query := strings.NewReplacer("$instance", ".*", "$__rate_interval", "10s").Replace(target.Expr)
			testkit.Eventually(t, panel.Title+" shows something: "+query, func() bool { return p.has(query) })
		}
	}
	if queries < 25 {
		t.Errorf("the dashboard has %d queries; want all", queries)
	}
	testkit.Eventually(t, "the dashboard can list instances", func() bool { return p.has("dispatcher_build_info") })

	alerts, err := os.ReadFile(root + "prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range regexp.MustCompile(`dispatcher_\w+`).FindAllString(string(alerts), -1) {
		testkit.Eventually(t, "there is "+metric, func() bool { return p.has(metric) })
	}
	testkit.Eventually(t, "there is the job", func() bool { return p.has(`up{job="event-dispatcher"} == 1`) })
	var groups struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	testkit.Eventually(t, "all rules were evaluated", func() bool {
		if !p.get("/api/v1/rules", &groups) || len(groups.Groups) == 0 {
			return false
		}
		for _, g := range groups.Groups {
			for _, rule := range g.Rules {
				if rule.Health == "err" {
					t.Fatalf("the rule %s: %s", rule.Name, rule.LastError)
				}
				if rule.Health != "ok" {
					return false
				}
			}
		}
		return true
	})
}
