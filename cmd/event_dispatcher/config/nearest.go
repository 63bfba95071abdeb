package config

import (
	"flag"
	"fmt"
	"strings"

	"event-dispatcher/transport/nearest"
)

func (t *table) names() (names []string) {
	t.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// unknown says which flag was meant in an error of package flag that knows none.
func (t *table) unknown(err error) error {
	_, typed, ok := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	if meant := nearest.Name(typed, t.names()); meant != "" {
		return fmt.Errorf("%w: did you mean -%s?", err, meant)
	}
	return err
}

// lookalikes lists variables of the environment that nothing reads and whose names are
// nearly those of flags. Short names mean many things to other programs: only those
// of several words count.
func (t *table) lookalikes(environ []string) (found []string) {
	ours := map[string]bool{}
	var words []string
	for _, name := range t.names() {
		ours[EnvName(name)] = true
		if strings.Contains(name, "-") && !t.noEnv[name] {
			words = append(words, EnvName(name))
		}
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if ours[name] || !strings.Contains(name, "_") {
			continue
		}
		if meant := nearest.Name(name, words); meant != "" {
			found = append(found, fmt.Sprintf("%s (did you mean %s?)", name, meant))
		}
	}
	return found
}
