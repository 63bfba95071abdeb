package session

import (
	"cmp"
	"slices"
)

// inOrder returns the entries' events as they were put, which tells those of the
// same millisecond apart.
func inOrder(entries []*entry) []Event {
	slices.SortFunc(entries, func(a, b *entry) int { return a.put.Compare(b.put) })
	var events []Event
	for _, e := range entries {
		events = append(events, e.event)
	}
	return events
}

// sortByAge puts the oldest event first.
func sortByAge(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Action, b.Action))
	})
}

// newest keeps one event of each action, the latest, oldest first.
func newest(events []Event) []Event {
	sortByAge(events)
	var kept []Event
	for i, e := range events {
		later := slices.ContainsFunc(events[i+1:], func(o Event) bool { return o.Action == e.Action })
		if !later {
			kept = append(kept, e)
		}
	}
	return kept
}
