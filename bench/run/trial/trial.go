package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/internal/process"
	"event-dispatcher/bench/load/report"
)

// Env is the same for all runs.
type Env struct {
	Bin        string // directory of the programs
	Dir        string // of results
	Commit     string
	Machine    string
	ServerArgs []string // added to those of the product
	LoadArgs   []string // added to those of every load
}

// Run plays a scenario once against one subject. It always returns a record;
// a run that failed has what there was until then.
func (e *Env) Run(ctx context.Context, s *plan.Scenario, subject plan.Subject, role string, order int) *Record {
	r := e.record(s, subject.Name, role, order, "json")
	before := stolen()
	defer func() {
		r.LoadAfter = loadAverage()
		r.Stolen = (stolen() - before).Seconds() / time.Since(r.Started).Seconds()
	}()

	args := subject.Args
	if subject.Program == "event_dispatcher" {
		args = slices.Concat(args, e.ServerArgs)
	}
	died := false
	server, err := process.Start(ctx, e.Bin+"/"+subject.Program, args)
	if server != nil {
		r.Server.Command = server.Command
		defer func() {
			r.Server.Ended, r.Server.Log = server.Stop(), server.Log()
			if !died && !inOrder(r.Server.Ended, role) {
				r.fail("the server ended with %s", r.Server.Ended)
			}
		}()
	}
	if err != nil {
		r.fail("%v", err)
		return r
	}
	if role == Product {
		r.scrape(ctx, server, ScrapeBefore)
		stop := r.scrapeWindow(ctx, server, s)
		e.load(ctx, r, s, subject, server)
		stop()
	} else {
		e.load(ctx, r, s, subject, server)
	}
	if how, ended := server.Ended(); ended {
		died = true
		r.fail("the server died: %s", how)
	} else if role == Product {
		r.scrape(ctx, server, ScrapeAfter)
	}
	return r
}

// inOrder reports whether a server ended the way it should: only the product
// knows how to shut down.
func inOrder(status, role string) bool {
	return role != Product || status == "exit status 0"
}

func (e *Env) record(s *plan.Scenario, subject, role string, order int, extension string) *Record {
	return &Record{
		Scenario: s.Name, Subject: subject, Role: role, Order: order,
		File:    FileName(s.Name, order, subject, extension),
		Started: time.Now(), Commit: e.Commit, Go: runtime.Version(), Machine: e.Machine,
		LoadBefore: loadAverage(), Errors: []string{}, Figures: map[string]float64{},
	}
}

// load runs the generator, bounded, and takes its report over.
func (e *Env) load(ctx context.Context, r *Record, s *plan.Scenario, subject plan.Subject, server *process.Server) {
	settle := s.Settle
	if settle == 0 {
		settle = 15 * time.Second
	}
	name := filepath.Join(e.Dir, r.File+".load")
	defer os.Remove(name)
	args := slices.Concat(s.Load, []string{
		"-warmup", s.Warmup.String(), "-duration", s.Duration.String(), "-settle", settle.String(),
	}, subject.Load, e.LoadArgs, []string{
		"-quiet", "-url", "http://" + server.Address(), "-pid", strconv.Itoa(server.PID()),
		"-label", s.Name + " " + subject.Name, "-json", name,
	})

	// Connecting, settling and reporting take their time as well; a server
	// that never answers must not take forever.
	const others = 40 * time.Second
	ctx, cancel := context.WithTimeout(ctx, s.Warmup+s.Duration+settle+others)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, e.Bin+"/load", args...)
	cmd.Stdout, cmd.Stderr = nil, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // keeps what there is
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	r.Load = LoadSide{Command: cmd.Args, Exit: cmd.ProcessState.ExitCode(), Output: out.String()}

	if b, readErr := os.ReadFile(name); readErr == nil {
		rep := new(report.Report)
		if jsonErr := json.Unmarshal(b, rep); jsonErr != nil {
			r.fail("the load's report is not JSON: %v", jsonErr)
		} else {
			rep.Machine.Host = e.Machine
			r.Report, r.LowerBound = rep, rep.LowerBound
			r.Errors = append(r.Errors, rep.Errors...)
		}
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.fail("stopped: %v", context.Cause(ctx))
	case err != nil && !errors.As(err, &exit):
		r.fail("run the load: %v", err)
	case err != nil && r.Report == nil:
		r.fail("the load ended with %v: %.300s", err, strings.TrimSpace(out.String()))
	}
}

// scrapeWindow scrapes twice while the load measures, away from the window's
// ends. What it returns waits for that, or cuts it short when the load has
// ended already.
func (r *Record) scrapeWindow(ctx context.Context, server *process.Server, s *plan.Scenario) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		for _, at := range []struct {
			when string
			due  time.Duration
		}{{ScrapeEarly, s.Warmup + s.Duration/10}, {ScrapeLate, s.Warmup + s.Duration*9/10}} {
			select {
			case <-time.After(time.Until(start.Add(at.due))):
				r.scrape(ctx, server, at.when)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// scrape notes the product's metrics.
func (r *Record) scrape(ctx context.Context, server *process.Server, when string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := process.Get(ctx, server.Address(), "/metrics", 1<<20)
	if err == nil {
		r.Server.Scrapes = append(r.Server.Scrapes, Scrape{when, Exposition(body)})
	} else if when != ScrapeEarly && when != ScrapeLate { // then the load tells what is wrong
		r.fail("scrape the product: %v", err)
	}
}

// Exposition reads the Prometheus text format: series to value. Histograms'
// buckets are left out.
func Exposition(b []byte) map[string]float64 {
	values := make(map[string]float64)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' || strings.Contains(line, "_bucket{") {
			continue
		}
		if v, err := strconv.ParseFloat(line[i+1:], 64); err == nil && v-v == 0 { // finite: JSON has no others
			values[line[:i]] = v
		}
	}
	return values
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Sprintf("unknown: %v", err)
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// stolen is the time that the machine's host has kept for others, 0 if it does
// not say.
func stolen() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	words := strings.Fields(line)
	if len(words) < 9 {
		return 0
	}
	ticks, err := strconv.ParseInt(words[8], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
