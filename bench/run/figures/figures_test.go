package figures

import (
	"math"
	"slices"
	"testing"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/load/report"
	"event-dispatcher/bench/run/trial"
)

func TestRangeOf(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   Range
	}{
		{nil, Range{}},
		{[]float64{3}, Range{3, 3, 3, 1}},
		{[]float64{3, 1}, Range{1, 2, 3, 2}},
		{[]float64{9, 1, 2}, Range{1, 2, 9, 3}},
		{[]float64{4, 1, 2, 8}, Range{1, 3, 8, 4}},
	} {
		if got := RangeOf(tt.values); got != tt.want {
			t.Errorf("RangeOf(%v) = %+v, want %+v", tt.values, got, tt.want)
		}
	}
}

// played makes the records of a scenario from "c2" for a ceiling's run with
// the figure 2, "p3" for the product's, "r" for rivals and "!" for a run that
// ended early.
func played(runs ...string) []*trial.Record {
	var records []*trial.Record
	for i, run := range runs {
		r := &trial.Record{Scenario: "s", Order: i + 1, File: run, Figures: map[string]float64{}}
		r.Role = map[byte]string{'c': trial.Ceiling, 'p': trial.Product, 'r': trial.Rival}[run[0]]
		if run[1] == '!' {
			r.Report = &report.Report{Partial: true}
			run = run[1:]
		}
		if len(run) > 1 {
			r.Figures["f"] = float64(run[1] - '0')
		}
		records = append(records, r)
	}
	return records
}

func TestRatiosTakeTheCeilingsOnBothSides(t *testing.T) {
	for _, tt := range []struct {
		name string
		runs []string
		want []float64
	}{
		{"alternation", []string{"c2", "p3", "c4", "p8", "c4"}, []float64{1, 2}},
		{"drift cancels out", []string{"c1", "p2", "c3"}, []float64{1}},
		{"a ceiling failed", []string{"c!2", "p8", "c4"}, []float64{2}},
		{"both failed", []string{"c!2", "p8", "c!4"}, nil},
		{"the product failed", []string{"c2", "p!8", "c4"}, nil},
		{"no ceiling", []string{"p8", "p9"}, nil},
		{"rivals do not count", []string{"c2", "p2", "c2", "r9"}, []float64{1}},
		{"nothing", nil, nil},
	} {
		if got := Ratios(played(tt.runs...), "f"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Ratios = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAddedTakesTheCeilingsOnBothSides(t *testing.T) {
	if got := Added(played("c2", "p9", "c4", "p1", "c3", "r9"), "f"); !slices.Equal(got, []float64{6, -2.5}) {
		t.Errorf("Added = %v, want 6 and -2.5", got)
	}
}

func TestFiguresOfARelay(t *testing.T) {
	r := &trial.Record{Report: &report.Report{Config: &config.Config{}}, Beside: []*trial.Companion{{Name: "redis"}, {Name: plan.PeerName}}}
	if _, ok := Of(r)["relay_gaps"]; ok {
		t.Error("gaps without a look at the peer")
	}
	start := trial.Scrape{When: trial.ScrapeBefore, Metrics: map[string]float64{"process_cpu_seconds_total": 1}}
	r.Server.Scrapes = []trial.Scrape{start, {When: trial.ScrapeAfter, Metrics: map[string]float64{
		`dispatcher_relay_published_events_total{events="firehose"}`: 900, `dispatcher_relay_published_messages_total{events="firehose"}`: 90,
		`dispatcher_relay_dropped_events_total{events="firehose",reason="full"}`:    5,
		`dispatcher_relay_dropped_events_total{events="firehose",reason="expired"}`: 2,
		`dispatcher_relay_dropped_events_total{events="sessions",reason="full"}`:    100,
	}}}
	r.Beside[1].Scrapes = []trial.Scrape{start, {When: trial.ScrapeAfter, Metrics: map[string]float64{
		"process_cpu_seconds_total":                        1.3,
		`dispatcher_relay_gap_events_total{reason="lost"}`: 6, `dispatcher_relay_gap_events_total{reason="refused"}`: 2,
	}}}
	f := Of(r)
	if f["relay_gaps"] != 8 || f["relay_drops"] != 7 || f["relay_uncounted"] != 1 {
		t.Errorf("figures are %v, want 8 gaps, 7 drops, 1 uncounted", f)
	}
	// With a third, what the first dropped is missing at both others.
	r.Beside = append(r.Beside, &trial.Companion{Name: plan.PeerName + "2", ServerSide: trial.ServerSide{Scrapes: []trial.Scrape{start, {When: trial.ScrapeAfter, Metrics: map[string]float64{
		"process_cpu_seconds_total": 1.1, `dispatcher_relay_gap_events_total{reason="lost"}`: 6,
	}}}}})
	r.Report.CPU.PerPost, r.Report.Posts = 50, &report.Posts{Accepted: 1000}
	f = Of(r)
	if f["relay_gaps"] != 14 || f["relay_uncounted"] != 0 || f["event_cpu_us"] != 50 || math.Abs(f["peer_cpu_us"]-200) > 1e-9 || f["events_per_message"] != 10 {
		t.Errorf("figures are %v, want 14 gaps, none uncounted, 50 µs per event, 200 of them at a peer, 10 events per message", f)
	}
}

func TestJudge(t *testing.T) {
	all := map[string][]*trial.Record{
		"s":    played("c2", "p3", "c4", "p4", "c4"),
		"base": played("p2", "p2"),
		"mix":  played("p0", "p0", "p7"),
	}
	for _, tt := range []struct {
		name   string
		target plan.Target
		want   Outcome
		median float64
	}{
		{"value, at most", plan.Target{Scenario: "s", Figure: "f", Limit: 3.5}, Met, 3.5},
		{"value, too much", plan.Target{Scenario: "s", Figure: "f", Limit: 3.4}, NotMet, 3.5},
		{"at least", plan.Target{Scenario: "s", Figure: "f", Limit: 3.4, Least: true}, Met, 3.5},
		{"too little", plan.Target{Scenario: "s", Figure: "f", Limit: 3.6, Least: true}, NotMet, 3.5},
		{"ceiling", plan.Target{Scenario: "s", Figure: "f", Against: plan.Ceiling, Limit: 1}, Met, 1},
		{"added", plan.Target{Scenario: "s", Figure: "f", Against: plan.Ceiling, Added: true, Limit: 0}, Met, 0},
		{"other scenario", plan.Target{Scenario: "s", Figure: "f", Against: "base", Limit: 1.5}, NotMet, 1.75},
		{"scaled", plan.Target{Scenario: "s", Figure: "f", Limit: 350, Scale: 100}, Met, 350},
		{"median hides one", plan.Target{Scenario: "mix", Figure: "f", Limit: 0}, Met, 0},
		{"the worst counts", plan.Target{Scenario: "mix", Figure: "f", Limit: 0, Worst: true}, NotMet, 0},
		{"the least counts", plan.Target{Scenario: "mix", Figure: "f", Limit: 1, Worst: true, Least: true}, NotMet, 0},
		{"every scenario", plan.Target{Scenario: plan.Any, Figure: "f", Limit: 7, Worst: true}, Met, 2},
		{"unknown figure", plan.Target{Scenario: "s", Figure: "g", Limit: 1}, NoData, 0},
		{"not played", plan.Target{Scenario: "t", Figure: "f", Limit: 1}, NoData, 0},
		{"base not played", plan.Target{Scenario: "s", Figure: "f", Against: "t", Limit: 1}, NoData, 0},
	} {
		v := Judge(tt.target, all)
		if v.Outcome != tt.want || v.Measured.Median != tt.median {
			t.Errorf("%s: %s, median %v; want %s, %v", tt.name, v.Outcome, v.Measured.Median, tt.want, tt.median)
		}
	}
}

func TestAVerdictNamesItsFilesAndDoubts(t *testing.T) {
	records := played("c2", "p3", "c4")
	records[1].LowerBound = true
	v := Judge(plan.Target{Scenario: "s", Figure: "f", Limit: 1.1, Unit: "×"}, map[string][]*trial.Record{"s": records})
	if !v.LowerBound || !slices.Equal(v.Files, []string{"p3"}) || v.Target != "≤ 1.10 ×" {
		t.Errorf("verdict is %+v", v)
	}
}

func TestFiguresOfARun(t *testing.T) {
	r := &trial.Record{Report: &report.Report{
		Seconds: 2,
		Config:  &config.Config{Consumers: 3, Stalled: 1, Warmup: time.Second, Rate: config.Rate{PerSecond: 125}, PIDs: config.PIDs{1}},
		Posts:   &report.Posts{Rate: 100, Latency: report.Latency{Count: 9, P50: 500, P99: 1500}},
		Deliveries: &report.Deliveries{
			Rate: 300, Latency: report.Latency{Count: 9, P50: 700, P99: 2500, Max: 3500},
		},
		Ledger: &report.Ledger{Sent: 520, Skipped: 50, Unexplained: 2, SkippedBy: map[string]uint64{"counting": 1, "sampling": 2, "stalling": 47}},
		CPU:    report.CPU{Server: 0.5, PerPost: 12, PerDelivery: 4},
		Memory: report.Usage{Begin: probe.Memory{Resident: 100}, End: probe.Memory{Resident: 110}},
		Series: []report.Step{{At: 0.5, Resident: 900}, {At: 1.5, Resident: 130}},
	}}
	r.Server.Scrapes = []trial.Scrape{
		{When: trial.ScrapeEarly, Metrics: map[string]float64{"go_memstats_mallocs_total": 1000, "dispatcher_events_published_total": 50, "dispatcher_events_delivered_total": 150, "dispatcher_sweeps_total": 5}},
		{When: trial.ScrapeLate, Metrics: map[string]float64{"go_memstats_mallocs_total": 1300, "dispatcher_events_published_total": 150, "dispatcher_events_delivered_total": 450, "dispatcher_sweeps_total": 15}},
	}
	got := Of(r)
	want := map[string]float64{
		"post_rate": 100, "post_p50_ms": 0.5, "post_p99_ms": 1.5,
		"delivery_rate": 300, "delivery_cpu_us": 4, "delivery_p50_ms": 0.7, "delivery_p99_ms": 2.5, "delivery_max_ms": 3.5,
		"rate_held": 0.8, "missing_share": 0.1, "server_cores": 0.5, "resident_bytes": 110,
		"skipped": 50, "healthy_skipped": 3, "unexplained": 2,
		"growth_bytes": 30, // what the warm-up reached does not count
		"post_allocs":  3, "delivery_allocs": 1, "events_per_sweep": 10,
	}
	for name, v := range want {
		if math.Abs(got[name]-v) > 1e-9 {
			t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("unexpected figure %s = %v", name, got[name])
		}
	}
	if f := Of(&trial.Record{}); len(f) != 0 {
		t.Errorf("a run without a report has figures %v", f)
	}
}

func TestIdleConsumersHaveMemoryOnly(t *testing.T) {
	got := Of(&trial.Record{Report: &report.Report{
		Seconds: 1, Config: &config.Config{Consumers: 10}, Deliveries: &report.Deliveries{}, Ledger: &report.Ledger{},
		Memory: report.Usage{PerConsumer: probe.Memory{Resident: 400, TCPBuffers: 100, Slab: 7000}},
	}})
	if sockets := Of(&trial.Record{Report: &report.Report{Config: &config.Config{Sockets: 10}, Memory: report.Usage{PerConsumer: probe.Memory{Resident: 9000}}}}); sockets["idle_bytes"] != 9000 {
		t.Errorf("figures of idle sockets are %v", sockets)
	}
	if len(got) != 2 || got["idle_bytes"] != 400 || got["idle_kernel_bytes"] != 7100 {
		t.Errorf("figures are %v", got)
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{
		{0, "0"}, {60, "60"}, {1.1, "1.10"}, {0.5, "0.50"}, {12.34, "12.3"}, {1234.6, "1235"}, {1234567, "1,234,567"},
		{-98765.4, "-98,765"}, {0.04, "0.04"}, {0.00079, "0.00079"}, {0.00001, "1e-05"},
	} {
		if got := Number(tt.v); got != tt.want {
			t.Errorf("Number(%v) = %q, want %q", tt.v, got, tt.want)
		}
	}
}
