package config

import (
	"flag"
	"fmt"
	"strings"
)

// nearest is the name that somebody probably meant; empty if none is near.
func nearest(typed string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if d := distance(typed, name); d < least && 2*d < len(typed) {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters must be added, removed, replaced or swapped with their
// neighbour (Damerau's distance of adjacent transpositions).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

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
	if meant := nearest(typed, t.names()); meant != "" {
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
		if meant := nearest(name, words); meant != "" {
			found = append(found, fmt.Sprintf("%s (did you mean %s?)", name, meant))
		}
	}
	return found
}
