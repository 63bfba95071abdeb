// Command profile starts the product with its admin listener, drives it with a
// scenario of the benchmark, collects profiles and an execution trace while
// the load is on, and prints the top of each. It is started in the directory
// bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"event-dispatcher/bench/internal/cast"
	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/internal/process"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	scenario   *plan.Scenario
	seconds    int
	out        string
	top        int
	serverArgs []string
	noBuild    bool
}

func parse(args []string, stderr io.Writer) (*options, error) {
	f := flag.NewFlagSet("profile", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "profile collects profiles of the product under a scenario: cd bench && go run ./profile [flags] [scenario]")
		f.PrintDefaults()
		fmt.Fprintln(stderr, "Scenarios, ingest by default:")
		for _, s := range plan.Scenarios() {
			if s.Bench == nil {
				fmt.Fprintf(stderr, "  %-20s %s\n", s.Name, s.Title)
			}
		}
	}
	o := &options{}
	var server string
	f.IntVar(&o.seconds, "seconds", 5, "length of the CPU profile")
	f.StringVar(&o.out, "out", "", "`directory` for the profiles; default results/profile-<scenario>-<time>")
	f.IntVar(&o.top, "top", 15, "lines to print of each profile")
	f.StringVar(&server, "server-flags", "", "`flags` added to the product's, such as those that turn mutex and block profiling on")
	f.BoolVar(&o.noBuild, "no-build", false, "use the programs in bin as they are")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	name := f.Arg(0)
	if name == "" {
		name = "ingest"
	}
	o.scenario, o.serverArgs = plan.Find(plan.Scenarios(), name), strings.Fields(server)
	switch {
	case f.NArg() > 1:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(1))
	case o.scenario == nil || o.scenario.Bench != nil:
		return nil, fmt.Errorf("no scenario %q: -h names them", name)
	case o.seconds < 1 || o.seconds > 300:
		return nil, fmt.Errorf("-seconds %d: want 1 to 300", o.seconds)
	}
	if o.out == "" {
		o.out = filepath.Join("results", "profile-"+name+"-"+time.Now().Format("2006-01-02T150405"))
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "profile:", err)
		return exitUsage
	}
	if _, err := os.Stat("load/main.go"); err != nil {
		fmt.Fprintln(stderr, "profile: start it in the directory bench: cd bench && go run ./profile")
		return exitUsage
	}
	if err := profile(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "profile:", err)
		return exitFailed
	}
	return 0
}

// profile does it all. Whatever could be collected is kept and printed, also
// when something else failed.
func profile(ctx context.Context, o *options, stdout io.Writer) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if !o.noBuild {
		if err := build(ctx); err != nil {
			return err
		}
	}
	admin, err := process.FreePort()
	if err != nil {
		return err
	}
	// The product samples contention only on request, because that costs.
	// Builds that know no such flag take no notice of its variable.
	os.Setenv("PROFILE_RATE", "100")
	actors, err := cast.Start(ctx, "bin", o.scenario.Product, o.serverArgs, admin)
	defer actors.Stop()
	if err != nil {
		return err
	}
	server := actors.Server()
	fmt.Fprintf(stdout, "%s: %s\n%s\n\n", o.scenario.Name, o.scenario.Title, strings.Join(server.Command, " "))

	// CPU first, then the trace, then what is a moment's picture.
	c := &collection{address: fmt.Sprintf("127.0.0.1:%d", admin), dir: o.out, stdout: stdout}
	traced := 1
	loadErr := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	warm := o.scenario.Warmup + time.Second
	go func() { loadErr <- load(ctx, o, actors, warm+time.Duration(o.seconds+traced+4)*time.Second) }()
	select {
	case err := <-loadErr:
		return errors.Join(errors.New("the load ended before profiles could be collected"), err)
	case <-time.After(warm):
	}
	c.get(ctx, "cpu.pprof", fmt.Sprintf("/debug/pprof/profile?seconds=%d", o.seconds))
	c.get(ctx, "trace.out", fmt.Sprintf("/debug/pprof/trace?seconds=%d", traced))
	for _, kind := range []string{"heap", "allocs", "mutex", "block", "goroutine"} {
		c.get(ctx, kind+".pprof", "/debug/pprof/"+kind)
	}
	cancel()
	<-loadErr // it was interrupted
	c.print(o.top)
	return errors.Join(c.errs...)
}

// load plays the scenario for as long as profiles take. It is interrupted when
// they are there.
func load(ctx context.Context, o *options, actors cast.Cast, d time.Duration) error {
	args := append(slices.Concat(o.scenario.Load, actors.Load(o.scenario.Product.Load)),
		"-warmup", "0s", "-duration", d.String(), "-settle", "1s", "-stall-forever", "-quiet", "-json", filepath.Join(o.out, "load.json"))
	cmd := exec.CommandContext(ctx, "bin/load", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("load: %w: %s", err, out)
	}
	return nil
}

func build(ctx context.Context) error {
	for dir, args := range map[string][]string{
		"..": {"build", "-o", "bench/bin/event_dispatcher", "./cmd/event_dispatcher"},
		".":  {"build", "-o", "bin/", "./load"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// collection is what was fetched from the admin listener.
type collection struct {
	address, dir string
	stdout       io.Writer
	files        []string
	errs         []error
}

func (c *collection) get(ctx context.Context, file, path string) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	body, err := process.Get(ctx, c.address, path, 1<<30)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, file), body, 0o644)
	}
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("collect %s: %w", file, err))
		return
	}
	c.files = append(c.files, file)
}

var empty = regexp.MustCompile(`% of 0\S* total`)

// print writes the top of every profile and where the files are.
func (c *collection) print(lines int) {
	for _, file := range c.files {
		name := filepath.Join(c.dir, file)
		if file == "trace.out" {
			c.printTrace(name)
			continue
		}
		args := []string{"tool", "pprof", "-top", "-nodecount", strconv.Itoa(lines)}
		if file == "allocs.pprof" {
			args = append(args, "-sample_index=alloc_objects")
		}
		out, err := exec.Command("go", append(args, "bin/event_dispatcher", name)...).CombinedOutput()
		if err != nil {
			c.errs = append(c.errs, fmt.Errorf("go tool pprof %s: %w: %s", name, err, out))
			continue
		}
		text := strings.TrimSpace(string(out))
		if empty.MatchString(text) {
			text += "\nempty; mutex and block profiles stay empty unless the product turns their sampling on"
		}
		fmt.Fprintf(c.stdout, "== %s\n%s\n\n", file, text)
	}
	fmt.Fprintf(c.stdout, "Files: %s/{%s}\nMore: go tool pprof -http=: bin/event_dispatcher %s/cpu.pprof;  go tool trace %s/trace.out\n",
		c.dir, strings.Join(c.files, ","), c.dir, c.dir)
}

// printTrace sums the trace up: how long goroutines waited for a processor.
func (c *collection) printTrace(name string) {
	derived := filepath.Join(c.dir, "sched.pprof")
	out, err := exec.Command("go", "tool", "trace", "-pprof=sched", name).Output()
	if err == nil {
		err = os.WriteFile(derived, out, 0o644)
	}
	if err == nil {
		out, err = exec.Command("go", "tool", "pprof", "-top", "-nodecount", "10", "bin/event_dispatcher", derived).CombinedOutput()
	}
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("sum up %s: %w: %s", name, err, out))
		return
	}
	fmt.Fprintf(c.stdout, "== trace.out: time that goroutines waited for a processor (sched.pprof)\n%s\n\n", strings.TrimSpace(string(out)))
}
