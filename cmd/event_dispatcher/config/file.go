package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"event-dispatcher/transport/nearest"
)

// file sets the flags that neither the command line nor the environment has, from
// a file of the flags' names: JSON if it is called .json, otherwise TOML.
func (r *reading) file(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-config: %w", err)
	}
	values := map[string]any{}
	if strings.HasSuffix(path, ".json") {
		d := json.NewDecoder(strings.NewReader(string(content)))
		d.UseNumber()
		if err = d.Decode(&values); err == nil && d.More() {
			err = errors.New("unexpected data after the end")
		}
	} else {
		_, err = toml.Decode(string(content), &values)
	}
	if err != nil {
		return fmt.Errorf("-config: %s: %w", path, err)
	}
	var errs []error
	for name, value := range values {
		text, ok := written(value)
		switch {
		case r.of.flags.Lookup(name) == nil || r.of.noEnv[name]:
			err := fmt.Errorf("-config: %s: there is no flag %q", path, name)
			if meant := nearest.Name(name, r.of.names()); meant != "" {
				err = fmt.Errorf("%w: did you mean %q?", err, meant)
			}
			errs = append(errs, err)
		case !ok:
			errs = append(errs, fmt.Errorf("-config: %s: %s must be a text, a number, true, false, or a list of texts", path, name))
		case r.given(name):
		default:
			if err := r.of.flags.Set(name, text); err != nil {
				errs = append(errs, fmt.Errorf("-config: %s: %s: %w", path, name, withUnits(err, r.of.flags.Lookup(name))))
			}
			r.source[name] = "file"
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// written is a value as it stands on a command line.
func written(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string, bool, int64, float64, json.Number:
		return fmt.Sprint(v), true
	case []any:
		var items []string
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return "", false
			}
			items = append(items, s)
		}
		return strings.Join(items, ","), true
	}
	return "", false
}

// print writes what is in force, as a file that -config would take, but for secrets.
func (r *reading) print(w io.Writer) error {
	var b strings.Builder
	for _, g := range r.of.groups {
		fmt.Fprintf(&b, "# %s\n", g.title)
		for _, name := range g.names {
			if r.of.noEnv[name] {
				continue
			}
			f := r.of.flags.Lookup(name)
			value := masked(r.texts[name])
			if strings.HasSuffix(name, "-key") && !strings.HasPrefix(f.Usage, "`file`") && value != "" {
				value = mask
			}
			switch f.Value.(flag.Getter).Get().(type) {
			case bool, int, float64:
			default:
				value = strconv.Quote(value)
			}
			source := r.source[name]
			if source == "" {
				source = "default"
			}
			fmt.Fprintf(&b, "%s = %s  # %s\n", name, value, source)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, strings.TrimSuffix(b.String(), "\n"))
	return err
}
