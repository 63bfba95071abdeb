package view

import (
	"slices"
	"strconv"
	"strings"

	"event-dispatcher/broker/jsonkey"
)

// A Select says which events a consumer wants. Equal ones from the same [Registry]
// are the same pointer. It does not change, so any number of goroutines may use it.
type Select struct {
	conditions []condition // sorted by their text, each once
	sample     sample
	text       string // normalised; equal selections have equal ones

	tree jsonkey.Tree
	ids  []int32 // of the conditions' paths in tree
	by   int32   // of sample.by in tree
}

// maxNames is how many names the paths of one query have in all: what Match
// and Append have room for on the stack. A view that a grant narrows may have more.
const maxNames = 128

func newSelect(conditions []condition, s sample) *Select {
	conditions = slices.Clone(conditions)
	slices.SortFunc(conditions, func(a, b condition) int { return strings.Compare(a.text, b.text) })
	conditions = slices.CompactFunc(conditions, func(a, b condition) bool { return a.text == b.text })
	return &Select{conditions: conditions, sample: s, text: selectText(conditions, s)}
}

// build makes what Match needs. It is apart from newSelect, as a selection that
// is there already is not needed twice.
func (s *Select) build() *Select {
	for i := range s.conditions {
		s.ids = append(s.ids, s.tree.Add(s.conditions[i].path))
	}
	if s.sample.by != nil {
		s.by = s.tree.Add(s.sample.by)
	}
	return s
}

// selectText begins every part with its length, so that no text can look like
// two.
func selectText(conditions []condition, s sample) string {
	var b []byte
	for i := range conditions {
		b = strconv.AppendInt(b, int64(len(conditions[i].text)), 10)
		b = append(append(b, ':'), conditions[i].text...)
	}
	if s.share > 0 {
		b = strconv.AppendFloat(append(b, '%'), s.share, 'g', -1, 64)
		b = append(append(b, ' '), pathText(s.by)...)
	}
	return string(b)
}

// keyed reports whether a Matcher looks the selection up rather than tries it.
func (s *Select) keyed() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool { return c.op == equal })
}

// further is how many conditions a Matcher may have to try although it looks the
// selection up.
func (s *Select) further() int { return len(s.conditions) - 1 }

// Conditions is how many there are: what Match takes grows with them. A nil Select has none.
func (s *Select) Conditions() int {
	if s == nil {
		return 0
	}
	return len(s.conditions)
}

// Match reports whether the event passes. A nil Select passes every event. It is
// for a consumer that reads alone; for all selections at once there is [Matcher].
func (s *Select) Match(event []byte) bool {
	if s == nil {
		return true
	}
	var spans [maxNames]jsonkey.Span
	var ids [maxNames]int32
	found := s.tree.Found(spans[:], ids[:])
	found.Scan(event)
	var buf [maxValue + 4]byte
	var v value
	for i := range s.conditions {
		if i == 0 || s.ids[i] != s.ids[i-1] { // they are sorted: many about one member read it once
			raw, ok := found.Value(event, s.ids[i])
			v, _ = valueOf(raw, ok, buf[:0])
		}
		if !s.conditions[i].holds(&v) {
			return false
		}
	}
	switch {
	case s.sample.share == 0:
		return true
	case s.sample.by == nil:
		return hash(event) <= s.sample.limit
	}
	raw, ok := found.Value(event, s.by)
	v, _ = valueOf(raw, ok, buf[:0])
	return s.sample.passes(&v)
}
