package screens

import (
	"slices"
	"time"
)

// Spans are indexes of a replay: in order, none twice.
type spans []span

// A span is indexes that follow each other.
type span struct {
	first int32
	end   int32         // behind the last
	at    time.Duration // since epoch: when they were written, where that matters
}

// from is the position of the first span that ends behind an index.
func (s spans) from(index int32) int {
	at, _ := slices.BinarySearchFunc(s, index, func(p span, index int32) int {
		if p.end <= index {
			return -1
		}
		return 1
	})
	return at
}

// has reports whether an index is one of them.
func (s spans) has(index int32) bool {
	at := s.from(index)
	return at < len(s) && s[at].first <= index
}

// put adds a span, which replaces what it overlaps and joins what it continues.
func (s *spans) put(p span) {
	if p.first >= p.end {
		return
	}
	old := *s
	from, to := old.from(p.first-1), old.from(p.end) // a span that ends where p begins is the first, too
	if from == len(old) {
		*s = append(old, p)
		return
	}
	var before, after spans
	if from < len(old) && old[from].first < p.first {
		if q := old[from]; q.at == p.at {
			p.first = q.first
		} else {
			before = spans{{q.first, min(q.end, p.first), q.at}}
		}
	}
	if to < len(old) && old[to].first <= p.end {
		if q := old[to]; q.at == p.at {
			p.end = q.end
		} else {
			after = spans{{p.end, q.end, q.at}}
		}
		to++
	}
	*s = slices.Replace(old, from, to, slices.Concat(before, spans{p}, after)...)
}
