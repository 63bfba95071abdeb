package page

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/load/report"
	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

// sample is a summary of two scenarios: one with ceiling and rival, one that
// failed.
func sample() *summary.Summary {
	run := func(scenario, subject, role string, order int, cpu float64) *trial.Record {
		r := &trial.Record{Scenario: scenario, Subject: subject, Role: role, Order: order, Errors: []string{}, File: trial.FileName(scenario, order, subject, "json")}
		r.Report = &report.Report{
			Seconds: 2, Config: &config.Config{}, CPU: report.CPU{PerPost: cpu},
			Posts:  &report.Posts{Rate: 1e5, Latency: report.Latency{Count: 1000, P50: 100, P99: 900, Curve: []report.Point{{Percentile: 0, Value: 10}, {Percentile: 50, Value: 100}, {Percentile: 99, Value: 900}, {Percentile: 100, Value: 2000}}}},
			Series: []report.Step{{At: 0.25, Posts: 9e4}, {At: 0.5, Posts: 1.1e5}},
		}
		r.Figures = figures.Of(r)
		return r
	}
	dead := &trial.Record{Scenario: "two", Subject: "product", Role: trial.Product, Order: 1, File: "raw/two-01-product.json",
		Errors: []string{`the server died: </script><b>"quoted"`}, Figures: map[string]float64{}}
	records := []*trial.Record{
		run("one", "bare handler", trial.Ceiling, 1, 10), run("one", "product", trial.Product, 2, 11), run("one", "bare handler", trial.Ceiling, 3, 10),
		run("one", "hub", trial.Rival, 4, 30), dead,
	}
	records[3].Errors = []string{"the rate was not reached"}
	scenarios := []plan.Scenario{{Name: "one", Title: "the first", Load: []string{"-rate", "max"}}, {Name: "two", Title: "the second"}, {Name: "three", Title: "not played"}}
	targets := []plan.Target{
		{Title: "CPU", Scenario: "one", Figure: "post_cpu_us", Against: plan.Ceiling, Limit: 1.05, Unit: "×"},
		{Title: "rate", Scenario: "one", Figure: "post_rate", Least: true, Limit: 50_000, Unit: "/s"},
		{Title: "nothing", Scenario: "two", Figure: "post_rate", Limit: 1},
		{Title: "elsewhere", Scenario: "three", Figure: "post_rate", Limit: 1},
	}
	meta := summary.Meta{Date: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Host: "2core-vm", Command: []string{"go", "run", "./run"}, Commit: "c0ffee", LoadFlags: []string{"-size", "600"}}
	return summary.Build(meta, scenarios, targets, records)
}

func TestThePageNeedsNothingFromAnywhere(t *testing.T) {
	page := render(t)
	if m := regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:)?//|@import|<link`).FindString(page); m != "" {
		t.Errorf("the page loads something: %q", m)
	}
	if !strings.Contains(page, "var uPlot=") || !strings.Contains(page, ".uplot") {
		t.Error("uPlot is not embedded")
	}
}

func TestThePageShowsWhatWasMeasured(t *testing.T) {
	page := render(t)
	for _, want := range []string{
		"1 of 2 met", "-duration 0s -size 600", "1.10 ×", "the first", "the second", "raw/one-02-product.json", "raw/two-01-product.json", "Failed runs", "rate was not reached",
		`data-scenario="one"`, "no data",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{`data-scenario="two"`, "elsewhere", "not played", "</script><b>", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

func TestAPageIsMadeOfWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	s := sample()
	if err := os.Mkdir(filepath.Join(dir, "raw"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteJSON(filepath.Join(dir, "summary.json")); err != nil {
		t.Fatal(err)
	}
	for _, sc := range s.Scenarios {
		for _, r := range sc.Records {
			if err := r.Write(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	read, err := summary.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one.html"), filepath.Join(dir, "two.html")
	if err := errors.Join(Write(one, s), Write(two, read)); err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(one)
	b, _ := os.ReadFile(two)
	if string(a) != string(b) {
		t.Error("the page of results that were read back differs")
	}
}

func TestEveryPlotNamesItsRawFile(t *testing.T) {
	page := render(t)
	m := regexp.MustCompile(`const runs = (\{.*?\});</script>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("no data in the page")
	}
	if strings.Contains(m[1], "null") {
		t.Errorf("a list of the page is null, of which its script takes the length: %s", m[1])
	}
	var data map[string][]curve
	if err := json.Unmarshal([]byte(m[1]), &data); err != nil {
		t.Fatal(err)
	}
	if len(data["one"]) != 4 {
		t.Fatalf("%d curves, want 4", len(data["one"]))
	}
	for _, c := range data["one"] {
		if !strings.HasPrefix(c.File, "raw/one-") || len(c.Post[0]) != 4 || len(c.Series[1]) != 2 {
			t.Errorf("curve %+v", c)
		}
	}
}

func render(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	if err := Write(name, sample()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPercentilesRiseAndEndAtTheLargestValue(t *testing.T) {
	got := percentiles(report.Latency{Count: 1000, Curve: []report.Point{
		{Percentile: 0, Value: 0}, {Percentile: 50, Value: 100}, {Percentile: 99, Value: 900}, {Percentile: 99.99, Value: 1500}, {Percentile: 100, Value: 2000},
	}})
	wantX, wantY := []float64{1, 2, 100, 1000}, []float64{0.001, 0.1, 0.9, 2}
	for i := range wantX {
		if len(got[0]) != len(wantX) || got[0][i] != wantX[i] || got[1][i] != wantY[i] {
			t.Fatalf("percentiles = %v, want %v, %v", got, wantX, wantY)
		}
	}
}

// What is side by side is in one table and in one plot, in the page, in a file and in the summary.
func TestTheProductAndItsRivalsStandSideBySide(t *testing.T) {
	const asked, consumers = 50, 2
	run := func(scenario, subject string, order int, cpu float64) *trial.Record {
		r := &trial.Record{Scenario: scenario, Subject: subject, Role: trial.Rival, Order: order, File: trial.FileName(scenario, order, subject, "json")}
		if subject == "product" {
			r.Role = trial.Product
		}
		r.Report = &report.Report{
			Seconds: 2, Config: &config.Config{Consumers: consumers, Rate: config.Rate{PerSecond: asked}, PIDs: config.PIDs{1}},
			Posts:      &report.Posts{Rate: asked},
			Deliveries: &report.Deliveries{Rate: asked * consumers, Latency: report.Latency{Count: 100, P50: 200, P99: 900, Max: 4000}},
			Ledger:     &report.Ledger{Sent: 200, Skipped: 3, Unexplained: 1},
			CPU:        report.CPU{PerDelivery: cpu}, Memory: report.Usage{End: probe.Memory{Resident: 20 << 20}},
		}
		r.Figures = figures.Of(r)
		return r
	}
	absent := &trial.Record{Scenario: "grid-2", Subject: "absent <x>", Role: trial.Rival, Order: 3, File: "raw/x.json", Errors: []string{"it is not installed"}, Figures: map[string]float64{}}
	s := summary.Build(summary.Meta{}, []plan.Scenario{
		{Name: "grid-1", Title: "the small one", SideBySide: true}, {Name: "grid-2", Title: "the large one", SideBySide: true}, {Name: "other", Title: "another"},
	}, nil, []*trial.Record{run("grid-1", "product", 1, 2), run("grid-1", "hub", 2, 40), run("grid-2", "product", 1, 1), run("grid-2", "hub", 2, 20), absent, run("other", "product", 1, 1)})
	dir := t.TempDir()
	if err := errors.Join(Write(filepath.Join(dir, "report.html"), s), s.WriteMarkdown(filepath.Join(dir, "summary.md"))); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plot, markdown := read(summary.PlotFile), read("summary.md")
	if err := xml.Unmarshal([]byte(plot), new(struct{})); err != nil || strings.Contains(plot, "NaN") || strings.Contains(plot, "%!") || strings.Contains(plot, "Inf") {
		t.Errorf("the plot: %v\n%s", err, plot)
	}
	// A line for each server in each of five panels, a point for each run of it that had figures.
	if lines, points := strings.Count(plot, "<polyline"), strings.Count(plot, "<circle"); lines != 5*3 || points != 5*4 {
		t.Errorf("%d lines and %d points in the plot, want 15 and 20", lines, points)
	}
	if !strings.Contains(read("report.html"), strings.TrimSpace(plot)) {
		t.Error("the page lacks the plot")
	}
	for _, want := range []string{
		"| the small one | product | 100 | 2 | 0.20 | 0.90 | 4 | 2 | 1 | 20 |  |",
		"| the large one | hub | 100 | 20 |", "| the large one | absent <x> | – | – | – | – | – | – | – | – | left out: it is not installed |", summary.PlotFile,
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("summary lacks %q:\n%s", want, markdown)
		}
	}
	if strings.Contains(markdown, "| another |") {
		t.Error("what was not played side by side is in the table")
	}
}

func TestMarkdownHasATargetTableAndTheFailures(t *testing.T) {
	name := filepath.Join(t.TempDir(), "summary.md")
	s := sample()
	if err := s.WriteMarkdown(name); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| CPU | ≤ 1.05 × | 1.10 × | **not met** |", "| rate | ≥ 50,000 /s | 100,000 /s | met |", "| nothing | ≤ 1 | – | no data |",
		"| product | 1 |", "| hub | 1, 1 failed |", "Product / bare handler, CPU per POST: 1.10 ×", "## Failed runs",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("summary lacks %q:\n%s", want, b)
		}
	}
	if len(s.Failures) != 1 || s.Missed() != 1 {
		t.Errorf("failures %q, %d missed: a rival's failure is none", s.Failures, s.Missed())
	}
}
