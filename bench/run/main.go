// Command run builds the product, the load and the floors, plays the scenarios
// one after another, and reports how the product stands against its ceilings
// and targets. It is started in the directory bench and needs Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/page"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	quick, strict, list, noBuild bool
	only                         *regexp.Regexp
	host, out, before, page      string
	limit                        time.Duration
	serverArgs, loadArgs         []string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "run plays the benchmark's scenarios; start it in bench: go run ./run [flags]")
		fmt.Fprintln(stderr, "Exit codes: 0 done, 1 a run failed (the others are reported), 2 usage, 130 interrupted.")
		f.PrintDefaults()
	}
	var only, server, load string
	f.BoolVar(&o.quick, "quick", false, "short single runs of the most telling scenarios, at most 90 s")
	f.StringVar(&only, "only", "", "play only scenarios whose names match this `expression`")
	f.BoolVar(&o.list, "list", false, "list the scenarios and end")
	f.StringVar(&o.host, "host", "", "short, neutral name of the machine for the results; default from its cores")
	f.StringVar(&o.out, "out", "", "`directory` for the results; default results/<date>-<host>")
	f.StringVar(&o.before, "before", "", "an earlier build of the product, a `program`: play it in turn with the present one, and compare; about 10 minutes")
	f.StringVar(&o.page, "page", "", "play nothing: make report.html of the results in this `directory`")
	f.DurationVar(&o.limit, "limit", 40*time.Minute, "start no run after this time")
	f.BoolVar(&o.strict, "strict", false, "fail when a target is not met, too")
	f.BoolVar(&o.noBuild, "no-build", false, "use the programs in bin as they are, to measure another build of the product")
	f.StringVar(&server, "server-flags", "", "`flags` added to the product's")
	f.StringVar(&load, "load-flags", "", "`flags` added to those of every load")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if only != "" {
		var err error
		if o.only, err = regexp.Compile(only); err != nil {
			return nil, fmt.Errorf("-only: %w", err)
		}
	}
	if o.before != "" && o.quick {
		return nil, errors.New("-before and -quick: what is too short shows no difference")
	}
	o.serverArgs, o.loadArgs = strings.Fields(server), strings.Fields(load)
	return o, nil
}

// chosen returns the scenarios to play.
func (o *options) chosen() []plan.Scenario {
	scenarios := plan.Scenarios()
	switch {
	case o.before != "":
		scenarios = plan.Against(scenarios)
	case o.quick:
		scenarios = plan.Shorten(scenarios)
	}
	if o.only == nil {
		return scenarios
	}
	var chosen []plan.Scenario
	for _, s := range scenarios {
		if o.only.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// run returns the exit code. Results go to stdout, complaints to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	complain := func(err error, code int) int {
		fmt.Fprintln(stderr, "run:", err)
		return code
	}
	if err != nil {
		return complain(err, exitUsage)
	}
	if o.page != "" {
		s, err := summary.Read(o.page)
		if err == nil {
			err = page.Write(filepath.Join(o.page, "report.html"), s)
		}
		if err != nil {
			return complain(err, exitFailed)
		}
		return 0
	}
	scenarios := o.chosen()
	if len(scenarios) == 0 {
		return complain(errors.New("-only matches no scenario; -list names them"), exitUsage)
	}
	if o.list {
		for _, s := range scenarios {
			fmt.Fprintf(stdout, "%-20s %s\n", s.Name, s.Title)
		}
		return 0
	}
	if _, err := os.Stat("load/main.go"); err != nil {
		return complain(errors.New("start it in the directory bench: cd bench && go run ./run"), exitUsage)
	}
	meta := machine(ctx, o)
	dir, err := results(o, meta)
	if err != nil {
		return complain(err, exitFailed)
	}
	if !o.noBuild {
		if err := build(ctx, scenarios, stdout); err != nil {
			return complain(err, exitFailed)
		}
	}
	if o.before != "" {
		if err := install(o.before); err != nil {
			return complain(err, exitFailed)
		}
	}

	start := time.Now()
	p := player{
		env:    trial.Env{Bin: "bin", Dir: dir, Commit: meta.Commit, Machine: meta.Host, ServerArgs: o.serverArgs, LoadArgs: o.loadArgs},
		stdout: stdout, until: start.Add(o.limit), against: o.before != "",
	}
	for i := range scenarios {
		p.play(ctx, &scenarios[i])
	}
	meta.Seconds, meta.LoadAfter = time.Since(start).Seconds(), trial.LoadAverage()

	targets := plan.Targets()
	if p.against {
		targets = plan.Everywhere(targets) // the runs are too short for the others
	}
	s := summary.Build(meta, scenarios, targets, p.records)
	s.Failures = append(s.Failures, p.failures...)
	err = errors.Join(
		s.WriteJSON(filepath.Join(dir, "summary.json")),
		s.WriteMarkdown(filepath.Join(dir, "summary.md")),
		page.Write(filepath.Join(dir, "report.html"), s),
	)
	s.WriteText(stdout)
	fmt.Fprintf(stdout, "\n%.0f s; %s holds report.html, summary.md, summary.json and raw/\n", meta.Seconds, dir)
	for _, failure := range s.Failures {
		fmt.Fprintln(stderr, "run: FAILED:", failure)
	}
	switch {
	case err != nil:
		return complain(err, exitFailed)
	case ctx.Err() != nil:
		return exitInterrupted
	case len(s.Failures) > 0:
		return exitFailed
	case o.strict && s.Missed() > 0:
		return complain(fmt.Errorf("%d targets are not met", s.Missed()), exitFailed)
	}
	return 0
}

// results makes the directory for the results. It never writes into one that
// has some already.
func results(o *options, meta summary.Meta) (string, error) {
	dir := o.out
	if dir == "" {
		dir = filepath.Join("results", meta.Date.Format("2006-01-02")+"-"+meta.Host)
		switch {
		case o.before != "":
			dir += "-before-and-now"
		case o.quick:
			dir += "-quick"
		}
	}
	for i := 2; ; i++ {
		name := dir
		if i > 2 {
			name = fmt.Sprintf("%s.%d", dir, i-1)
		}
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Join(name, "raw"), 0o755); err != nil {
			return "", fmt.Errorf("make the directory for results: %w", err)
		}
		return name, nil
	}
}
