package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

// player plays scenarios and keeps the records of all runs.
type player struct {
	env    trial.Env
	stdout io.Writer
	until  time.Time

	records  []*trial.Record
	failures []string // beside those of records
	against  bool     // each scenario in turn with an earlier build
}

// step is one run to come.
type step struct {
	subject plan.Subject
	role    string
}

// steps is the order in which a scenario is played: the product always between
// two runs of its ceiling, rivals at the end or, side by side, in every round.
func steps(s *plan.Scenario) []step {
	var all []step
	rivals := func() {
		for _, rival := range s.Rivals {
			all = append(all, step{rival, trial.Rival})
		}
	}
	if s.Ceiling != nil {
		all = append(all, step{*s.Ceiling, trial.Ceiling})
	}
	for range s.Repetitions {
		all = append(all, step{s.Product, trial.Product})
		if s.Ceiling != nil {
			all = append(all, step{*s.Ceiling, trial.Ceiling})
		}
		if s.SideBySide {
			rivals()
		}
	}
	if !s.SideBySide {
		rivals()
	}
	return all
}

// turns is the order in which a scenario is played against an earlier build: in
// pairs, of which now the one and now the other build is first, so that neither
// gains by what the machine does meanwhile, nor by being second.
func turns(s *plan.Scenario) []step {
	var all []step
	for i := range s.Repetitions {
		before, now := step{plan.Before(s.Product), trial.Before}, step{s.Product, trial.Product}
		if i%2 == 1 {
			before, now = now, before
		}
		all = append(all, before, now)
	}
	return all
}

// play plays a scenario. What fails is recorded, the rest goes on.
func (p *player) play(ctx context.Context, s *plan.Scenario) {
	fmt.Fprintf(p.stdout, "\n%s: %s\n", s.Name, s.Title)
	if s.Bench != nil {
		if !p.late(ctx, s, 1) {
			for _, r := range p.env.GoBench(ctx, s) {
				p.keep(r)
			}
		}
		return
	}
	all := steps(s)
	if p.against {
		all = turns(s)
	}
	for i, st := range all {
		if p.late(ctx, s, len(all)-i) {
			return
		}
		r := p.env.Run(ctx, s, st.subject, st.role, i+1)
		r.Figures = figures.Of(r)
		if err := r.Write(p.env.Dir); err != nil {
			p.failures = append(p.failures, err.Error())
		}
		p.keep(r)
	}
}

// late reports whether there is no time, or no wish, for what is left of the
// scenario, and records that.
func (p *player) late(ctx context.Context, s *plan.Scenario, left int) bool {
	why := ""
	switch {
	case ctx.Err() != nil:
		why = "interrupted"
	case time.Now().After(p.until):
		why = "-limit has passed"
	default:
		return false
	}
	p.failures = append(p.failures, fmt.Sprintf("%s: %d runs were not played: %s", s.Name, left, why))
	fmt.Fprintf(p.stdout, "  not played: %s\n", why)
	return true
}

// keep notes a record and says how it went.
func (p *player) keep(r *trial.Record) {
	p.records = append(p.records, r)
	var b strings.Builder
	fmt.Fprintf(&b, "  %-16s", r.Subject)
	for _, c := range summary.Columns {
		if v, ok := r.Figures[c.Figure]; ok && (v > 0 || c.Zero) {
			fmt.Fprintf(&b, " %s %s,", figures.Number(v*c.Scale), c.Title)
		}
	}
	line := strings.TrimSuffix(b.String(), ",")
	if r.LowerBound {
		line += "  (generator or machine full)"
	}
	fmt.Fprintln(p.stdout, line)
	for _, e := range r.Errors {
		fmt.Fprintf(p.stdout, "  %-16s FAILED: %s\n", "", e)
	}
}

// install puts the earlier build beside the present one. A copy: what is measured
// must not change while it is.
func install(program string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("-before: %w", err)
	}
	name := filepath.Join("bin", plan.BeforeProgram)
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("-before: %w", err)
	}
	if err := os.WriteFile(name, b, 0o755); err != nil {
		return fmt.Errorf("-before: %w", err)
	}
	return nil
}

// build makes the programs under test and the load, and installs the modules of rivals.
// Those that cannot be had are told, and fail when they are played.
func build(ctx context.Context, scenarios []plan.Scenario, stdout io.Writer) error {
	fmt.Fprintln(stdout, "building the product, the load and the floors into bin")
	if err := os.MkdirAll("bin", 0o755); err != nil {
		return err
	}
	for _, b := range []struct {
		dir  string
		args []string
	}{
		{"..", []string{"build", "-o", "bench/bin/event_dispatcher", "./cmd/event_dispatcher"}},
		{".", []string{"build", "-o", "bin/", "./load", "./floor/..."}},
	} {
		cmd := exec.CommandContext(ctx, "go", b.args...)
		cmd.Dir = b.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(b.args, " "), err, out)
		}
	}
	dir, err := filepath.Abs("bin/installed")
	if err != nil {
		return err
	}
	for _, module := range plan.Modules(scenarios) {
		fmt.Fprintf(stdout, "installing %s into bin/installed\n", module)
		cmd := exec.CommandContext(ctx, "go", "install", module)
		cmd.Env = append(os.Environ(), "GOBIN="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(stdout, "LEFT OUT: %s: %v\n%s\n", module, err, out)
		}
	}
	return nil
}
