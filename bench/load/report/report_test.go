package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/consumer"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestLatencyGivesPercentilesAndACurve(t *testing.T) {
	h := hdrhistogram.New(1000, 100e9, 3)
	for i := int64(1); i <= 1000; i++ {
		if err := h.RecordValue(i * 1_000_000); err != nil { // 1 ms to 1 s
			t.Fatal(err)
		}
	}
	l := NewLatency(h)
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"p50", l.P50, 500_000}, {"p90", l.P90, 900_000}, {"p99", l.P99, 990_000}, {"p99.9", l.P999, 999_000}, {"max", l.Max, 1_000_000},
	} {
		if tt.got < tt.want*0.998 || tt.got > tt.want*1.002 {
			t.Errorf("%s = %.0f us, want %.0f", tt.name, tt.got, tt.want)
		}
	}
	last := l.Curve[len(l.Curve)-1]
	if last.Percentile != 100 || last.Count != 1000 || len(l.Curve) < 50 {
		t.Errorf("curve of %d points ends at %+v", len(l.Curve), last)
	}
	for i := 1; i < len(l.Curve); i++ {
		if l.Curve[i].Value < l.Curve[i-1].Value || l.Curve[i].Count < l.Curve[i-1].Count {
			t.Errorf("curve falls from %+v to %+v", l.Curve[i-1], l.Curve[i])
		}
	}
	if got := NewLatency(nil); got.Count != 0 || got.Curve != nil {
		t.Errorf("NewLatency(nil) = %+v", got)
	}
}

func TestJudge(t *testing.T) {
	fixed := &config.Config{Rate: config.Rate{PerSecond: 1000}}
	open := &config.Config{Rate: config.Rate{Max: true}}
	for _, tt := range []struct {
		name  string
		r     Report
		fails string // part of the error, or empty
		notes string
		bound bool
	}{
		{"all well", Report{Config: fixed, Posts: &Posts{Published: 1000}, Ledger: &Ledger{}}, "", "", false},
		{"hole", Report{Config: fixed, Ledger: &Ledger{Unexplained: 3, Worst: 2}}, "3 deliveries are unexplained", "", false},
		{"disorder", Report{Config: fixed, Ledger: &Ledger{Faults: consumer.Faults{OutOfOrder: 1}}}, "1 faults", "", false},
		{"too slow", Report{Config: fixed, Seconds: 10, Posts: &Posts{Published: 900}}, "rate was not reached", "", false},
		{"one event short", Report{Config: &config.Config{Rate: config.Rate{PerSecond: 1}}, Seconds: 10, Posts: &Posts{Published: 0.9}}, "", "", false},
		{"as fast as it goes", Report{Config: open, Posts: &Posts{Published: 900}}, "", "", false},
		{"resets count as published", Report{Config: fixed, Posts: &Posts{Rate: 900, Published: 1000, Unknown: 100}}, "", "", false},
		{"overload", Report{Config: fixed, Posts: &Posts{Rate: 500, Published: 1000, Rejected: 500, Statuses: map[int]uint64{503: 500}}}, "", "500 events were rejected", false},
		{"thread full", Report{Config: open, CPU: CPU{BusyThread: 0.99, Cores: 2, Machine: 1.5}}, "", "lower bound", true},
		{"machine full", Report{Config: open, CPU: CPU{Generator: 1, Server: 1, Machine: 1.98, Cores: 2}}, "", "machine was full", true},
		{"noise", Report{Config: open, CPU: CPU{Generator: 0.2, Server: 0.2, Machine: 1, Cores: 2}}, "", "noisy", false},
		{"late", Report{Config: fixed, CPU: CPU{Cores: 2}, Posts: &Posts{Published: 1000, Late: Latency{P99: 5000}}}, "", "published late", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Judge()
			errs, notes := strings.Join(tt.r.Errors, "\n"), strings.Join(tt.r.Warnings, "\n")
			if (errs != "") != (tt.fails != "") || !strings.Contains(errs, tt.fails) {
				t.Errorf("errors %q, want %q", errs, tt.fails)
			}
			if (notes != "") != (tt.notes != "") || !strings.Contains(notes, tt.notes) {
				t.Errorf("warnings %q, want %q", notes, tt.notes)
			}
			if tt.r.LowerBound != tt.bound {
				t.Errorf("LowerBound = %v, want %v", tt.r.LowerBound, tt.bound)
			}
		})
	}
}

func TestFailTakesJoinedErrorsApart(t *testing.T) {
	var r Report
	r.Fail(nil)
	r.Fail(errors.Join(errors.New("a"), errors.Join(errors.New("b"), nil, fmt.Errorf("c: %w", errors.New("d")))))
	if got := strings.Join(r.Errors, "|"); got != "a|b|c: d" {
		t.Errorf("Errors = %q", got)
	}
}

func TestReportIsWrittenBothWays(t *testing.T) {
	r := &Report{Config: &config.Config{Consumers: 2, Size: 512, PIDs: config.PIDs{1}}, Posts: &Posts{Rate: 1234}, Deliveries: &Deliveries{Rate: 2468},
		Ledger: &Ledger{Streams: 2, Sent: 10, Received: 9, Skipped: 1}, Sockets: &Sockets{Opened: 7, Pings: 3}, Errors: []string{"the moon was full"}}
	var table bytes.Buffer
	r.WriteTable(&table)
	for _, want := range []string{"1234/s", "2468/s", "sent 10 = received 9 + skipped 1; unexplained 0", "7 held, 0 ended by the server; 0 messages received, 3 pings answered", "the moon was full"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, table.String())
		}
	}
	name := filepath.Join(t.TempDir(), "r.json")
	if err := r.WriteJSON(name); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Posts struct {
			PerSecond float64 `json:"per_second"`
		} `json:"posts"`
	}
	if err := json.Unmarshal(b, &back); err != nil || back.Posts.PerSecond != 1234 {
		t.Errorf("JSON says %v posts/s, %v; want 1234", back.Posts.PerSecond, err)
	}
}
