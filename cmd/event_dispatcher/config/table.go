package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds of many flags.
const (
	many = 1 << 24 // more than any system has descriptors
	long = 24 * time.Hour
)

// A table declares flags: each of its methods that takes a name declares one, in the
// group that was begun last. Bounds are checked once all flags and variables are read.
type table struct {
	flags  *flag.FlagSet
	groups []group
	checks []func() error
	noEnv  map[string]bool
	texts  map[string]string // values as they were given
	source map[string]string // of values that are no defaults: flag, environment, file
}

// A group is flags that the help lists together.
type group struct {
	title string
	names []string
}

func newTable() *table {
	fs := flag.NewFlagSet("event_dispatcher", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return &table{flags: fs, noEnv: map[string]bool{}, texts: map[string]string{}, source: map[string]string{}}
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

// fromEnvironment sets the flags that were not given and have a variable.
func (t *table) fromEnvironment(getenv func(string) string) error {
	given := map[string]bool{}
	t.flags.Visit(func(f *flag.Flag) { given[f.Name], t.source[f.Name] = true, "flag" })
	var errs []error
	t.flags.VisitAll(func(f *flag.Flag) {
		name := EnvName(f.Name)
		value := getenv(name)
		if value == "" || given[f.Name] || t.noEnv[f.Name] {
			return
		}
		if err := t.flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: invalid value %q: %w", name, value, withUnits(err, f)))
		}
		t.source[f.Name] = "environment"
	})
	return errors.Join(errs...)
}

// withUnits says what package flag leaves out: how a value of the flag is written.
func withUnits(err error, f *flag.Flag) error {
	if f == nil || !strings.HasSuffix(err.Error(), "parse error") {
		return err
	}
	hint := ""
	switch f.Value.(flag.Getter).Get().(type) {
	case int:
		hint = "a whole number without a unit, such as " + f.DefValue
	case float64:
		hint = "a number without a unit, such as 2.5"
	case time.Duration:
		hint = "a duration with its unit, such as 10s"
	case bool:
		hint = "true or false"
	}
	return fmt.Errorf("%w: want %s", err, hint)
}

// refused explains an error of package flag, which names the flag at its end.
func (t *table) refused(err error) error {
	for _, before := range []string{" for flag -", " for -"} {
		if _, name, ok := strings.Cut(err.Error(), before); ok {
			name, _, _ = strings.Cut(name, ":")
			return withUnits(err, t.flags.Lookup(name))
		}
	}
	return t.unknown(err)
}

// usage prints the flags, group by group.
func (t *table) usage(w io.Writer) {
	fmt.Fprintf(w, `Usage: event_dispatcher [flags]
       event_dispatcher token

Players POST JSON events to /metrics or /api/events; GET /events streams them to
everybody who listens. GET / is a page that shows what is going on.

  event_dispatcher                                         serve on :3569
  event_dispatcher -port :8080 -admin-addr 127.0.0.1:9090  operators by another door
  event_dispatcher -redis redis://10.0.0.5:6379/0          one of several instances
  event_dispatcher -config dispatcher.toml -check          is this file all right?
  event_dispatcher token                                   a new token for the -access file

Every flag is also an environment variable (-max-body: MAX_BODY) and a line of the
-config file (max-body = 65536), but for %s.
A flag wins over a variable, that over the file.
`, strings.Join(t.flagsOnly(), ", "))
	for _, g := range t.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(w)
		for _, name := range g.names {
			f := t.flags.Lookup(name)
			fs.Var(f.Value, f.Name, f.Usage)
			fs.Lookup(name).DefValue = f.DefValue
		}
		fs.PrintDefaults()
	}
}

// flagsOnly are the flags that are no variables.
func (t *table) flagsOnly() (names []string) {
	for _, g := range t.groups {
		for _, name := range g.names {
			if t.noEnv[name] {
				names = append(names, "-"+name)
			}
		}
	}
	return names
}

// given reports whether somebody chose the flag's value.
func (t *table) given(name string) (given bool) {
	t.flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}
