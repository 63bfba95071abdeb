package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

func TestTheProductIsPlayedBetweenTwoCeilings(t *testing.T) {
	ceiling := plan.Subject{Name: "c"}
	s := &plan.Scenario{Repetitions: 2, Ceiling: &ceiling, Product: plan.Subject{Name: "p"}, Rivals: []plan.Subject{{Name: "r"}}}
	order := func(s *plan.Scenario) (names string) {
		for _, st := range steps(s) {
			names += st.subject.Name
		}
		return names
	}
	if got := order(s); got != "cpcpcr" {
		t.Errorf("order is %s, want cpcpcr", got)
	}
	s.Ceiling = nil
	if got := order(s); got != "ppr" {
		t.Errorf("order is %s, want ppr", got)
	}
	s.SideBySide = true
	if got := order(s); got != "prpr" {
		t.Errorf("side by side the order is %s, want prpr", got)
	}
}

func TestAnEarlierBuildIsPlayedInPairs(t *testing.T) {
	s := &plan.Scenario{Repetitions: 3, Product: plan.Subject{Name: "product", Program: plan.ProductProgram}}
	order := ""
	for _, st := range turns(s) {
		order += st.role[:1]
		if st.role == trial.Before && (st.subject.Program != plan.BeforeProgram || st.subject.Name != plan.BeforeName) {
			t.Errorf("the earlier build is %+v", st.subject)
		}
	}
	if order != "bppbbp" {
		t.Errorf("order is %s, want bppbbp", order)
	}
	if against := plan.Against(plan.Scenarios()); len(against) < 6 || against[0].Ceiling != nil {
		t.Errorf("%d scenarios are compared", len(against))
	}
}

func TestAFailedScenarioDoesNotEndTheOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "raw"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := player{env: trial.Env{Bin: "no/such/directory", Dir: dir}, stdout: io.Discard, until: time.Now().Add(time.Minute)}
	for _, name := range []string{"a", "b"} {
		p.play(context.Background(), &plan.Scenario{Name: name, Repetitions: 2, Product: plan.Subject{Name: "product", Program: "x"}})
	}
	if len(p.records) != 4 || !p.records[3].Failed() {
		t.Fatalf("%d records, want 4 failed ones", len(p.records))
	}
	files, _ := filepath.Glob(filepath.Join(dir, "raw", "*.json"))
	if len(files) != 4 {
		t.Errorf("raw files %v, want 4", files)
	}
	s := summary.Build(summary.Meta{}, []plan.Scenario{{Name: "a"}, {Name: "b"}}, nil, p.records)
	if len(s.Failures) != 4 || len(s.Scenarios) != 2 {
		t.Errorf("failures %q", s.Failures)
	}
}

func TestWhatIsNotPlayedIsAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	p := player{stdout: &out, until: time.Now().Add(time.Minute)}
	s := &plan.Scenario{Name: "a", Repetitions: 3}
	p.play(ctx, s)
	p.until = time.Now()
	p.play(context.Background(), s)
	if len(p.records) != 0 || len(p.failures) != 2 || !strings.Contains(p.failures[0], "3 runs were not played: interrupted") || !strings.Contains(p.failures[1], "-limit") {
		t.Errorf("records %d, failures %q", len(p.records), p.failures)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"-nonsense", exitUsage, "not defined"},
		{"surplus", exitUsage, "unexpected argument"},
		{"-quick -before x", exitUsage, "no difference"},
		{"-only (", exitUsage, "-only"},
		{"-only nosuchscenario", exitUsage, "matches no scenario"},
		{"-list -only ^ingest$", 0, "as fast as they go"},
		{"-quick", exitUsage, "in the directory bench"}, // tests run in bench/run
		{"-h", 0, "Exit codes"},
	} {
		var out bytes.Buffer
		if code := run(context.Background(), strings.Fields(tt.args), &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("run %s: exit code %d, %q; want %d, %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}

func TestResultsAreNeverOverwritten(t *testing.T) {
	base := filepath.Join(t.TempDir(), "2026-11-21-2core-vm")
	for _, want := range []string{base, base + ".2", base + ".3"} {
		got, err := results(&options{out: base}, summary.Meta{})
		if err != nil || got != want {
			t.Errorf("results = %q, %v; want %q", got, err, want)
		}
	}
}
