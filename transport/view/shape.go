package view

import (
	"encoding/json"
	"slices"
	"strings"

	"event-dispatcher/broker/jsonkey"
)

// A Shape says what of an event a consumer wants: some of its members. Equal ones
// from the same [Registry] are the same pointer. It does not change, so any number
// of goroutines may use it.
type Shape struct {
	paths [][]string // sorted, none within another
	text  string     // normalised; equal shapes have equal ones

	tree    jsonkey.Tree
	top     []part
	members []shapeMember
}

// A shapeMember is one that is wanted, or that one is in.
type shapeMember struct {
	path []string
	id   int32 // in the tree
}

// A part is a member of the object that Append writes.
type part struct {
	name  string // quoted, with its colon
	id    int32
	parts []part // the members of it that are wanted; none: all of it
}

// newShape takes paths in any order, and more than once. A path within another one is
// covered by that.
func newShape(paths [][]string) *Shape {
	paths = slices.Clone(paths)
	slices.SortFunc(paths, slices.Compare)
	kept := paths[:0]
	for _, path := range paths {
		// Sorted, whatever a path covers stands right behind it.
		if n := len(kept); n > 0 && len(path) >= len(kept[n-1]) && slices.Equal(path[:len(kept[n-1])], kept[n-1]) {
			continue
		}
		kept = append(kept, path)
	}
	texts := make([]string, len(kept))
	for i, path := range kept {
		texts[i] = pathText(path)
	}
	return &Shape{paths: kept, text: strings.Join(texts, ",")}
}

// build makes what Append needs.
func (s *Shape) build() *Shape {
	for _, path := range s.paths {
		parts := &s.top
		for i, name := range path {
			// Sorted, equal beginnings stand together.
			if name := quoted(name); len(*parts) == 0 || (*parts)[len(*parts)-1].name != name {
				id := s.tree.Add(path[:i+1])
				*parts = append(*parts, part{name: name, id: id})
				s.members = append(s.members, shapeMember{path[:i+1], id})
			}
			parts = &(*parts)[len(*parts)-1].parts
		}
	}
	return s
}

func quoted(name string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(name) // a string can always be encoded
	return strings.TrimSuffix(b.String(), "\n") + ":"
}

// Members is how many are looked for, those that others are in included: what Append takes grows
// with them. A nil Shape has none.
func (s *Shape) Members() int {
	if s == nil {
		return 0
	}
	return len(s.members)
}

// Append appends an object with the members that the consumer wants: nested as in
// the event, in the order of their names, their values byte for byte. Members that
// the event does not have are left out, so it may be {}. A nil Shape appends the
// event.
func (s *Shape) Append(dst, event []byte) []byte {
	if s == nil {
		return append(dst, event...)
	}
	var memory [maxNames]jsonkey.Span
	var ids [maxNames]int32
	found := s.tree.Found(memory[:], ids[:])
	found.Scan(event)
	var few [maxNames]jsonkey.Span
	spans := few[:]
	if n := s.tree.Size(); n > len(spans) {
		spans = make([]jsonkey.Span, n)
	}
	for _, id := range found.IDs() {
		spans[id] = found.Span(id)
	}
	return s.append(dst, event, spans)
}

// append is Append, of an event in which the values of the members, by their ids, are found.
func (s *Shape) append(dst, event []byte, spans []jsonkey.Span) []byte {
	dst = append(dst, '{')
	dst = appendParts(dst, event, spans, s.top)
	return append(dst, '}')
}

func appendParts(dst, event []byte, spans []jsonkey.Span, parts []part) []byte {
	first := len(dst)
	for i := range parts {
		p := &parts[i]
		at := spans[p.id]
		if at.End == 0 {
			continue
		}
		before := len(dst)
		if before > first {
			dst = append(dst, ',')
		}
		dst = append(dst, p.name...)
		if len(p.parts) == 0 {
			dst = append(dst, event[at.Start:at.End]...)
			continue
		}
		dst = append(dst, '{')
		inside := len(dst)
		dst = appendParts(dst, event, spans, p.parts)
		if len(dst) == inside {
			dst = dst[:before] // nothing of it is there
			continue
		}
		dst = append(dst, '}')
	}
	return dst
}
