package view

import (
	"cmp"
	"slices"

	"event-dispatcher/broker/jsonkey"
)

// A Shaper applies shapes to the events of a batch, and reads each event once, however many shapes
// there are: what a further one takes grows with what it wants, and not with the event. One
// goroutine owns it. The zero Shaper has no shapes.
type Shaper struct {
	scanner // of the paths of all shapes
	shapes  map[*Shape]*shared
	own     []jsonkey.Span // of one shape, by the ids in its own tree

	// Of the batch.
	scans  []scan    // by event
	values []located // of all scans
	read   int       // bytes that were, since Read was called
}

// A shared shape is one of a Shaper's.
type shared struct {
	uses int
	ids  []int32 // in the Shaper's tree, by those in the shape's own
}

// A scan is which of the Shaper's values are of one event. They are in the order of their ids.
type scan struct {
	done        bool
	first, last int
}

// A located value is where the value of a member stands in its event.
type located struct {
	id int32
	at jsonkey.Span
}

// Add takes a shape in. What is added twice must be removed twice.
func (m *Shaper) Add(s *Shape) {
	if m.shapes == nil {
		m.shapes = make(map[*Shape]*shared)
	}
	if in := m.shapes[s]; in != nil {
		in.uses++
		return
	}
	in := &shared{uses: 1, ids: make([]int32, s.tree.Size())}
	for _, member := range s.members {
		in.ids[member.id] = m.tree.Add(member.path)
	}
	m.shapes[s] = in
	if n := len(in.ids); n > len(m.own) {
		m.own = make([]jsonkey.Span, n)
	}
	m.changed()
}

// Remove is the reverse. Nothing of a batch is kept.
func (m *Shaper) Remove(s *Shape) {
	in := m.shapes[s]
	if in.uses--; in.uses > 0 {
		return
	}
	delete(m.shapes, s)
	for _, member := range s.members {
		m.tree.Remove(member.path)
	}
	if m.sparse() {
		shapes := m.shapes
		*m = Shaper{}
		for s, in := range shapes {
			m.Add(s)
			m.shapes[s].uses = in.uses
		}
	}
	m.changed()
}

// changed follows a change of the tree.
func (m *Shaper) changed() {
	m.scans, m.values = nil, nil
	m.renew()
}

// manyValues is how many values and scans have memory that is used again.
const manyValues = 16 << 10

// Begin is for another batch, of so many events.
func (m *Shaper) Begin(events int) {
	if len(m.shapes) == 0 {
		return
	}
	if cap(m.values) > manyValues || cap(m.scans) > manyValues {
		m.values, m.scans = nil, nil
	}
	m.values = m.values[:0]
	m.scans = slices.Grow(m.scans[:0], events)[:events]
	clear(m.scans)
}

// Append is [Shape.Append] for the i-th event of the batch and a shape that was added.
func (m *Shaper) Append(dst, event []byte, i int, s *Shape) []byte {
	at := &m.scans[i]
	if !at.done {
		m.scan(event, at)
	}
	values, ids := m.values[at.first:at.last], m.shapes[s].ids
	spans := m.own[:len(ids)]
	for own, id := range ids {
		spans[own] = jsonkey.Span{}
		if k, ok := slices.BinarySearchFunc(values, id, func(v located, id int32) int { return cmp.Compare(v.id, id) }); ok {
			spans[own] = values[k].at
		}
	}
	return s.append(dst, event, spans)
}

// Read is how many bytes of events Append has read since Read was called before.
func (m *Shaper) Read() (bytes int) {
	bytes, m.read = m.read, 0
	return bytes
}

func (m *Shaper) scan(event []byte, at *scan) {
	m.found.Scan(event)
	m.read += len(event)
	at.done, at.first = true, len(m.values)
	for _, id := range m.found.IDs() {
		if span := m.found.Span(id); span.End > 0 {
			m.values = append(m.values, located{id, span})
		}
	}
	at.last = len(m.values)
	slices.SortFunc(m.values[at.first:], func(a, b located) int { return cmp.Compare(a.id, b.id) })
}
