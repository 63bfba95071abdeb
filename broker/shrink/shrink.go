// Package shrink lets maps and slices that have become much smaller give memory back: the
// runtime's keep what they once needed.
package shrink

import "maps"

// least is how many entries a map or slice has room for that is left as it is.
const least = 32

// Map returns m, or a copy if m has had four times as many entries and more; a map without
// entries becomes nil. most is how many it has had; Map keeps it, and must be called whenever
// entries came or went.
func Map[K comparable, V any](m map[K]V, most *int) map[K]V {
	n := len(m)
	if n == 0 {
		*most = 0
		return nil
	}
	if *most = max(*most, n); *most <= least || n > *most/4 {
		return m
	}
	*most = n
	fresh := make(map[K]V, n)
	maps.Copy(fresh, m)
	return fresh
}

// Slice returns s, or a copy if s has room for four times as many entries and more.
func Slice[E any](s []E) []E {
	if cap(s) <= least || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]E, 0, len(s)), s...)
}
