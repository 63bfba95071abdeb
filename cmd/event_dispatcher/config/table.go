package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// Bounds of many flags.
const (
	many = 1 << 24 // more than any system has descriptors
	long = 24 * time.Hour
)

// A table declares flags: each of its methods that takes a name declares one, in the
// group that was begun last. Bounds are checked once a [reading] has given them values.
type table struct {
	flags  *flag.FlagSet
	groups []group
	checks []func() error
	noEnv  map[string]bool // those that are no variables, nor lines of a file
}

// A group is flags that the help lists together.
type group struct {
	title string
	names []string
}

func newTable() *table {
	fs := flag.NewFlagSet("event_dispatcher", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return &table{flags: fs, noEnv: map[string]bool{}}
}

// group begins one.
func (t *table) group(title string) { t.groups = append(t.groups, group{title: title}) }

func (t *table) add(name string) {
	g := &t.groups[len(t.groups)-1]
	g.names = append(g.names, name)
}

// count is a number.
func (t *table) count(p *int, name string, value, lowest, highest int, help string) {
	t.add(name)
	t.flags.IntVar(p, name, value, help)
	t.then(func() error {
		if *p < lowest || *p > highest {
			return fmt.Errorf("-%s: must be from %d to %d", name, lowest, highest)
		}
		return nil
	})
}

// rate is a number per second; 0 is no limit.
func (t *table) rate(p *float64, name, help string) {
	const highest = 1e12
	t.add(name)
	t.flags.Float64Var(p, name, 0, help)
	t.then(func() error {
		if !(*p >= 0 && *p <= highest) { // NaN, too
			return fmt.Errorf("-%s: must be from 0 to %.0f", name, highest)
		}
		return nil
	})
}

func (t *table) duration(p *time.Duration, name string, value, lowest, highest time.Duration, help string) {
	t.add(name)
	t.flags.DurationVar(p, name, value, help)
	t.then(func() error {
		if *p < lowest || *p > highest {
			return fmt.Errorf("-%s: must be from %v to %v", name, lowest, highest)
		}
		return nil
	})
}

// durationOrOff is a duration of which 0 means off. Options of packages say that
// with a negative one, since their 0 is the default.
func (t *table) durationOrOff(p *time.Duration, name string, value, lowest, highest time.Duration, help string) {
	t.add(name)
	t.flags.DurationVar(p, name, value, help)
	t.then(func() error {
		switch {
		case *p == 0:
			*p = -1
		case *p < lowest || *p > highest:
			return fmt.Errorf("-%s: must be 0 or from %v to %v", name, lowest, highest)
		}
		return nil
	})
}

// text is taken as it is.
func (t *table) text(p *string, name, value, help string) {
	t.add(name)
	t.flags.StringVar(p, name, value, help)
}

// read is text that parse understands. An error of it is one of the flag.
func (t *table) read(name, value, help string, parse func(text string) error) {
	t.add(name)
	p := t.flags.String(name, value, help)
	t.then(func() error {
		if err := parse(*p); err != nil {
			return fmt.Errorf("-%s: %w", name, err)
		}
		return nil
	})
}

// toggle is off unless it is given.
func (t *table) toggle(p *bool, name, help string) {
	t.add(name)
	t.flags.BoolVar(p, name, false, help)
}

// ask is a toggle for one thing that is done instead of serving. It has no variable:
// one called VERSION is likely to mean something else.
func (t *table) ask(p *bool, name, help string) {
	t.toggle(p, name, help)
	t.noEnv[name] = true
}

// then has a function called when all flags are read and those above it are checked.
func (t *table) then(f func() error) { t.checks = append(t.checks, f) }

// check runs them all, and tells of all errors.
func (t *table) check() error {
	var errs []error
	for _, f := range t.checks {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// names are those of all flags, sorted.
func (t *table) names() (names []string) {
	t.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}
