package config

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"
)

// A reading gives the flags of a table their values: those of the command line; for
// flags that it does not name, those of the environment; and then those of a file.
type reading struct {
	of     *table
	path   string            // of the file; empty: there is none
	source map[string]string // of values that are no defaults: flag, environment, file
	texts  map[string]string // values as they were given
}

func newReading(t *table) *reading {
	return &reading{of: t, source: map[string]string{}, texts: map[string]string{}}
}

// everything reads from all of them. Errors are not those of [ErrUsage] yet, and
// [flag.ErrHelp] is one of them.
func (r *reading) everything(args []string, getenv func(string) string) error {
	if err := r.arguments(args); err != nil {
		return err
	}
	if err := r.environment(getenv); err != nil {
		return err
	}
	if r.path != "" {
		if err := r.file(r.path); err != nil {
			return err
		}
	}
	// Checks may change values.
	r.of.flags.VisitAll(func(f *flag.Flag) { r.texts[f.Name] = f.Value.String() })
	return nil
}

// given reports whether somebody chose the flag's value.
func (r *reading) given(name string) bool { return r.source[name] != "" }

// arguments sets the flags that the command line has.
func (r *reading) arguments(args []string) error {
	flags := r.of.flags
	if err := flags.Parse(args); err != nil {
		return r.refused(err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q%s", flags.Arg(0), insteadOf(flags.Arg(0), r.of.names()))
	}
	flags.Visit(func(f *flag.Flag) { r.source[f.Name] = "flag" })
	return nil
}

// environment sets the flags that the command line has not, and that have a variable.
func (r *reading) environment(getenv func(string) string) error {
	var errs []error
	r.of.flags.VisitAll(func(f *flag.Flag) {
		name := EnvName(f.Name)
		value := getenv(name)
		if value == "" || r.given(f.Name) || r.of.noEnv[f.Name] {
			return
		}
		if err := r.of.flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: invalid value %q: %w", name, value, withUnits(err, f)))
		}
		r.source[f.Name] = "environment"
	})
	return errors.Join(errs...)
}

// refused explains an error of package flag, which names the flag at its end.
func (r *reading) refused(err error) error {
	for _, before := range []string{" for flag -", " for -"} {
		if _, name, ok := strings.Cut(err.Error(), before); ok {
			name, _, _ = strings.Cut(name, ":")
			return withUnits(err, r.of.flags.Lookup(name))
		}
	}
	return unknown(err, r.of.names())
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
