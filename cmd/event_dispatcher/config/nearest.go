package config

import (
	"fmt"
	"strings"

	"event-dispatcher/transport/nearest"
)

// unknown says which flag was meant in an error of package flag that knows none.
func unknown(err error, flags []string) error {
	_, typed, ok := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	if meant := nearest.Name(typed, flags); meant != "" {
		return fmt.Errorf("%w: did you mean -%s?", err, meant)
	}
	return err
}

// insteadOf is what was probably meant by an argument that is no flag.
func insteadOf(argument string, flags []string) string {
	meant := ""
	switch {
	case argument == "help" || argument == "h":
		meant = "-h"
	case nearest.Name(argument, []string{"token"}) != "":
		meant = "token"
	default:
		if meant = nearest.Name(argument, flags); meant != "" {
			meant = "-" + meant
		}
	}
	if meant != "" {
		meant = ": did you mean " + meant + "?"
	}
	return meant
}

// lookalikes lists variables of the environment that nothing reads and whose names are
// nearly those of flags, or those of flags that are no variables. Short names mean many
// things to other programs: one of a single word counts if one letter is wrong, and
// VERSION, which is everywhere, never.
func (r *reading) lookalikes(environ []string) (found []string) {
	ours := map[string]bool{"VERSION": true}
	only := map[string]string{}
	var short, words []string
	for _, name := range r.of.names() {
		variable := EnvName(name)
		switch {
		case ours[variable]:
		case r.of.noEnv[name]:
			only[variable] = "-" + name
		case strings.Contains(name, "-"):
			ours[variable], words = true, append(words, variable)
		default:
			if ours[variable] = true; len(name) > 3 {
				short = append(short, variable)
			}
		}
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		meant := ""
		switch {
		case ours[name]:
		case only[name] != "":
			found = append(found, fmt.Sprintf("%s (%s is a flag only)", name, only[name]))
		case strings.Contains(name, "_"):
			meant = nearest.Name(name, words)
		default:
			meant = nearest.OneOff(name, short)
		}
		if meant != "" {
			found = append(found, fmt.Sprintf("%s (did you mean %s?)", name, meant))
		}
	}
	return found
}
