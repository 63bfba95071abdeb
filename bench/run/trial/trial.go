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

	"event-dispatcher/bench/internal/cast"
	"event-dispatcher/bench/internal/plan"
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
		r.LoadAfter = LoadAverage()
		r.Stolen = (stolen() - before).Seconds() / time.Since(r.Started).Seconds()
	}()

	actors, err := cast.Start(ctx, e.Bin, subject, e.ServerArgs, 0)
	n := take(r, actors, len(subject.Beside))
	defer n.stop()
	if err != nil {
		r.fail("%v", err)
		return r
	}
	// Scraping costs something: a ceiling that is the product itself pays it, too. Rivals
	// side by side do not, so that the product is not scraped while it is measured.
	scraped := actors.Server().Product
	stop := func() {}
	if scraped {
		n.scrape(ctx, ScrapeBefore)
		if !s.SideBySide {
			stop = n.scrapeWindow(ctx, s)
		}
	}
	e.load(ctx, r, s, subject, actors)
	stop()
	if n.alive() && scraped {
		n.scrape(ctx, ScrapeAfter)
	}
	return r
}

func (e *Env) record(s *plan.Scenario, subject, role string, order int, extension string) *Record {
	return &Record{
		Scenario: s.Name, Subject: subject, Role: role, Order: order,
		File:    FileName(s.Name, order, subject, extension),
		Started: time.Now(), Commit: e.Commit, Go: runtime.Version(), Machine: e.Machine,
		LoadBefore: LoadAverage(), Errors: []string{}, Figures: map[string]float64{},
	}
}

// load runs the generator, bounded, and takes its report over.
func (e *Env) load(ctx context.Context, r *Record, s *plan.Scenario, subject plan.Subject, actors cast.Cast) {
	settle := s.Settle
	if settle == 0 {
		settle = 15 * time.Second
	}
	name := filepath.Join(e.Dir, r.File+".load")
	defer os.Remove(name)
	args := slices.Concat(s.Load, []string{
		"-warmup", s.Warmup.String(), "-duration", s.Duration.String(), "-settle", settle.String(),
	}, actors.Load(subject.Load), e.LoadArgs, []string{
		"-quiet", "-label", s.Name + " " + subject.Name, "-json", name,
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

// LoadAverage is that of the machine now.
func LoadAverage() string {
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
