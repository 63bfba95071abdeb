// Package nearest finds the name that somebody who mistyped one probably meant.
package nearest

// longest is how many bytes of a name are looked at: names of ours are shorter, and a
// stranger's costs time by its length.
const longest = 64

// Name is the one of names that typed probably means; empty if none is near. A name is
// near if one or two letters are wrong, and fewer than half of them. Of two that are as
// near, the one that comes first in the alphabet is meant.
func Name(typed string, names []string) string { return within(2, typed, names) }

// OneOff is Name for names that are like others' names: one letter may be wrong.
func OneOff(typed string, names []string) string { return within(1, typed, names) }

func within(most int, typed string, names []string) string {
	if len(typed) > longest {
		return ""
	}
	best, least := "", most+1
	for _, name := range names {
		if len(name)-len(typed) > least || len(typed)-len(name) > least {
			continue // it lacks more letters
		}
		if d := distance(typed, name); (d < least || d == least && best > name) && 2*d < len(typed) {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters must be added, removed, replaced or swapped with their
// neighbour (Damerau's distance of adjacent transpositions). Strangers choose a, so it
// takes no memory; b may be a little longer.
func distance(a, b string) int {
	var rows [3][longest + 3]int // of the table; those of i, i-1 and i-2 in turn
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, before, twice := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twice[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
