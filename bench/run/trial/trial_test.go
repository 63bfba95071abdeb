package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/plan"
)

// bin is where TestMain builds the product, the load and the floors.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trial")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		for where, what := range map[string][]string{"../../..": {"./cmd/event_dispatcher"}, "../..": {"./load", "./floor/..."}} {
			cmd := exec.Command("go", append([]string{"build", "-o", dir + "/"}, what...)...)
			cmd.Dir = where
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

// script adds a program to bin.
func script(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func env(t *testing.T) *Env {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "raw"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Env{Bin: bin, Dir: dir, Commit: "c0ffee", Machine: "test"}
}

func scenario(load string) *plan.Scenario {
	return &plan.Scenario{
		Name: "s", Load: strings.Fields(load), Warmup: 200 * time.Millisecond, Duration: 500 * time.Millisecond, Settle: 5 * time.Second,
	}
}

func TestARunIsKeptWithAllThatWasSeen(t *testing.T) {
	e := env(t)
	sub := plan.Subject{Name: "write loop", Program: "writeloop", Args: []string{"-port", "{port}"}, Load: []string{"-consumers", "4"}}
	r := e.Run(context.Background(), scenario("-consumers 2 -rate 300"), sub, Ceiling, 3)
	if r.Failed() || r.Report == nil || r.Report.Posts.Accepted == 0 || r.Load.Exit != 0 {
		t.Fatalf("errors %q, output %q", r.Errors, r.Load.Output)
	}
	if r.Report.Config.Consumers != 4 {
		t.Errorf("%d consumers: the subject's flags must win over the scenario's", r.Report.Config.Consumers)
	}
	if r.Server.Ended != "signal: terminated" || r.Report.Machine.Host != "test" {
		t.Errorf("server %q on %q", r.Server.Ended, r.Report.Machine.Host)
	}
	if err := r.Write(e.Dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(e.Dir, "raw", "s-03-write-loop.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(b, &back); err != nil || back.Commit != "c0ffee" || back.Report.Posts.Accepted != r.Report.Posts.Accepted {
		t.Errorf("read back: %v, %+v", err, back)
	}
	files, _ := filepath.Glob(filepath.Join(e.Dir, "raw", "*"))
	if len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
}

func TestFailuresAreRecordedWithWhatThereWas(t *testing.T) {
	script(t, "dead", "echo cannot listen >&2; exit 1")
	script(t, "mortal", `"$(dirname "$0")/writeloop" "$@" & child=$!; sleep 1.2; kill -9 $child; exit 7`)
	port := []string{"-port", "{port}"}
	for _, tt := range []struct {
		name, program, load, role string
		want                      []string // parts of the errors
		partial                   bool
	}{
		{"dead server", "dead", "", Ceiling, []string{"ended before it listened", "cannot listen"}, false},
		{"server dies half-way", "mortal", "-consumers 3 -rate 300 -duration 10s", Ceiling, []string{"the server died: exit status 7"}, true},
		{"rate out of reach", "barehandler", "-consumers 0 -rate 5000000", Ceiling, []string{"rate was not reached"}, false},
		{"no metrics", "writeloop", "-consumers 1 -rate 100", Product, []string{"the server ended with signal: terminated"}, false},
		{"usage", "barehandler", "-rate often", Ceiling, []string{"the load ended with exit status 2"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := env(t)
			e.LoadArgs = strings.Fields(tt.load)
			r := e.Run(context.Background(), scenario("-consumers 1 -rate 100"), plan.Subject{Name: tt.name, Program: tt.program, Args: port}, tt.role, 1)
			all := strings.Join(r.Errors, "\n")
			for _, want := range tt.want {
				if !strings.Contains(all, want) {
					t.Errorf("errors %q, want %q", all, want)
				}
			}
			if tt.partial && (r.Report == nil || !r.Report.Partial || r.Report.Posts.Accepted == 0 || r.Usable()) {
				t.Errorf("partial results are lost: %+v", r.Report)
			}
		})
	}
}

// The scenarios' own subjects, under a load that any machine can bear.
func TestCompanionsOfTheProductArePlayedAndKept(t *testing.T) {
	product := func(name string) plan.Subject { return plan.Find(plan.Scenarios(), name).Product }
	const published = `dispatcher_relay_published_events_total{events="firehose"}`
	t.Run("relayed", func(t *testing.T) {
		t.Parallel()
		e := env(t)
		r := e.Run(context.Background(), scenario("-consumers 2 -sample 1 -conns 1 -rate max"), product("relay-20000"), Product, 1)
		if r.Failed() || len(r.Beside) != 2 || r.Beside[0].Name != "redis" {
			t.Fatalf("errors %q, beside the server %+v", r.Errors, r.Beside)
		}
		accepted := float64(r.Report.Posts.Accepted)
		peer := r.Beside[1].Scraped(ScrapeAfter)
		received, gaps := peer[`dispatcher_relay_received_events_total{events="firehose"}`], peer[`dispatcher_relay_gap_events_total{reason="lost"}`]
		if received == 0 || received+gaps != accepted {
			t.Errorf("the peer received %v and missed %v; want the %v that the server accepted", received, gaps, accepted)
		}
		if r.Report.Ledger.Received+r.Report.Ledger.Skipped != 2*r.Report.Posts.Accepted {
			t.Errorf("ledger %+v", r.Report.Ledger)
		}
		for _, c := range r.Beside {
			if c.Ended != "exit status 0" || len(c.Command) == 0 {
				t.Errorf("%s %q ended with %q", c.Name, c.Command, c.Ended)
			}
		}
	})
	t.Run("over NATS", func(t *testing.T) {
		t.Parallel()
		e := env(t)
		r := e.Run(context.Background(), scenario("-consumers 2 -sample 1 -conns 1 -rate max"), product("nats-max"), Product, 1)
		if r.Failed() || len(r.Beside) != 2 || r.Beside[0].Name != "nats" {
			t.Fatalf("errors %q, beside the server %+v", r.Errors, r.Beside)
		}
		if received := r.Beside[1].Scraped(ScrapeAfter)[`dispatcher_relay_received_events_total{events="firehose"}`]; received == 0 {
			t.Error("the peer received nothing")
		}
	})
	t.Run("ten over NATS", func(t *testing.T) {
		t.Parallel()
		e := env(t)
		r := e.Run(context.Background(), scenario("-consumers 10 -sample -1 -conns 10 -rate 100"), product("nats-10"), Product, 1)
		if r.Report == nil || r.Report.Partial || len(r.Beside) != 10 {
			t.Fatalf("errors %q, %d beside the server", r.Errors, len(r.Beside))
		}
		if l := r.Report.Ledger; l.Streams != 10 || l.Received+l.Skipped != 10*r.Report.Posts.Accepted || r.Report.Posts.Accepted == 0 {
			t.Errorf("%d events accepted; ledger %+v", r.Report.Posts.Accepted, l)
		}
		for _, c := range r.Beside[1:] {
			if metrics := c.Scraped(ScrapeAfter); metrics[published] == 0 || metrics[`dispatcher_relay_received_events_total{events="firehose"}`] == 0 {
				t.Errorf("%s published %v and received %v; want both", c.Name, metrics[published], metrics[`dispatcher_relay_received_events_total{events="firehose"}`])
			}
		}
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		e := env(t)
		r := e.Run(context.Background(), scenario("-consumers 2 -sample 1 -conns 1 -rate max"), product("redis-stopped"), Product, 1)
		if r.Failed() || r.Report.Posts.Accepted == 0 {
			t.Fatalf("errors %q, report %+v", r.Errors, r.Report)
		}
		if n, ok := r.Server.Scraped(ScrapeAfter)[published]; n != 0 || !ok {
			t.Errorf("a Redis that stands still took %v events", n)
		}
	})
	t.Run("not installed", func(t *testing.T) {
		t.Parallel()
		sub := product("redis-stopped")
		sub.Beside[0].Program = "no-such-server"
		r := env(t).Run(context.Background(), scenario("-consumers 1 -rate 100"), sub, Product, 1)
		if len(r.Errors) != 1 || !strings.Contains(r.Errors[0], "apt-get install no-such-server") {
			t.Errorf("errors %q", r.Errors)
		}
	})
}

func TestAnInterruptedRunKeepsItsResults(t *testing.T) {
	e := env(t)
	e.LoadArgs = strings.Fields("-duration 20s")
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	r := e.Run(ctx, scenario("-consumers 2 -rate 200"), plan.Subject{Name: "x", Program: "writeloop", Args: []string{"-port", "{port}"}}, Ceiling, 1)
	if !r.Failed() || r.Report == nil || r.Report.Posts.Accepted == 0 || r.Usable() {
		t.Errorf("errors %q, report %+v", r.Errors, r.Report)
	}
}

func TestFilesAreNamedAfterWhatTheyAreOf(t *testing.T) {
	if got, want := FileName("grid-10", 3, "a/b, c d", "json"), "raw/grid-10-03-a-b-c-d.json"; got != want {
		t.Errorf("FileName = %s, want %s", got, want)
	}
}

func TestExposition(t *testing.T) {
	got := Exposition([]byte("# HELP a b\na 1\nb{x=\"y z\"} 2.5e3\nc_bucket{le=\"1\"} 7\nd NaN\ne +Inf\n\nbroken\n"))
	if len(got) != 2 || got["a"] != 1 || got[`b{x="y z"}`] != 2500 {
		t.Errorf("Exposition = %v", got)
	}
}

func TestGoBenchFigures(t *testing.T) {
	out := `goos: linux
BenchmarkPublish/bytes=512-2     1000    52.5 ns/op   9000 MB/s   0 B/op   0 allocs/op
BenchmarkPublish/bytes=512-2     1000    54.0 ns/op   9000 MB/s   0 B/op   1 allocs/op
BenchmarkPublish/bytes=128-2     1000    11.0 ns/op
BenchmarkRead/bytes=512          1000    99 ns/op   1.7 ns/event
PASS
`
	got := GoBenchFigures(out, map[string]string{
		"BenchmarkPublish/bytes=512 ns/op": "ns", "BenchmarkPublish/bytes=512 allocs/op": "allocs", "BenchmarkRead/bytes=512 ns/event": "read",
	})
	if len(got) != 2 || got[0]["ns"] != 52.5 || got[1]["ns"] != 54 || got[1]["allocs"] != 1 || got[0]["read"] != 1.7 {
		t.Errorf("GoBenchFigures = %v", got)
	}
}
