package view

import (
	"slices"

	"event-dispatcher/broker/shrink"
)

// A Matcher finds, in one pass over an event, all selections that it passes. One
// goroutine owns it. The zero Matcher has no selections.
type Matcher struct {
	scanner          // of the paths of all selections
	members []member // by id in tree

	entries []entry // by id of the selection
	free    []int32
	general []int32 // entries without an equality to look up

	// For one event.
	event   []byte
	number  uint64 // of the event
	scratch []byte // decoded strings
	hash    uint64 // of the event
	hashed  bool
}

// An entry is a selection that was added.
type entry struct {
	in  bool // false: it was removed
	sel *Select
	ids []int32 // of the conditions' paths in the Matcher's tree
	by  int32   // of the sample's
	key int     // the condition by which it is looked up, or byNone
}

const byNone = -1 // entry.key: it is in Matcher.general

// A member is one that some selection is about: who waits for which value of it,
// and what it is in this event.
type member struct {
	texts   map[string][]int32 // strings and true, false, null
	numbers map[string][]int32 // by number.appendKey
	most    [2]int             // of both, that there have been; see shrink

	value  value
	number uint64 // the event that value is of
}

// Add takes a selection in and returns its id; a nil Select passes every event.
// Every Add has an id of its own.
func (m *Matcher) Add(s *Select) int32 {
	id := int32(len(m.entries))
	if last := len(m.free) - 1; last >= 0 {
		id = m.free[last]
		m.free = m.free[:last]
	} else {
		m.entries = append(m.entries, entry{})
	}
	m.enter(id, s)
	return id
}

// enter puts a selection where there is none.
func (m *Matcher) enter(id int32, s *Select) {
	e := &m.entries[id]
	*e = entry{in: true, sel: s}
	if s != nil {
		for i := range s.conditions {
			e.ids = append(e.ids, m.tree.Add(s.conditions[i].path))
		}
		if s.sample.by != nil {
			e.by = m.tree.Add(s.sample.by)
		}
	}
	m.changed()
	if e.key = m.chooseKey(e); e.key == byNone {
		m.general = append(m.general, id)
	}
	m.eachPlace(e, func(place map[string][]int32, key string) {
		place[key] = append(place[key], id)
	})
}

// Remove takes out what was added under that id.
func (m *Matcher) Remove(id int32) {
	e := &m.entries[id]
	if e.key == byNone {
		m.general = without(m.general, id)
	}
	m.eachPlace(e, func(place map[string][]int32, key string) {
		if rest := without(place[key], id); len(rest) > 0 {
			place[key] = rest
		} else {
			delete(place, key)
		}
	})
	if s := e.sel; s != nil {
		for i := range s.conditions {
			m.tree.Remove(s.conditions[i].path)
		}
		if s.sample.by != nil {
			m.tree.Remove(s.sample.by)
		}
	}
	*e = entry{}
	m.free = append(m.free, id)
	if m.sparse() {
		m.rebuild()
	} else {
		m.changed()
	}
}

// rebuild forgets the members that no selection is about. Those that there have been are
// four times as many at least, so it costs each of them little.
func (m *Matcher) rebuild() {
	entries := m.entries
	*m = Matcher{entries: make([]entry, len(entries)), free: m.free, number: m.number}
	for id := range entries {
		if entries[id].in {
			m.enter(int32(id), entries[id].sel)
		}
	}
}

// Len is the number of selections.
func (m *Matcher) Len() int { return len(m.entries) - len(m.free) }

// changed follows a change of the tree.
func (m *Matcher) changed() {
	if n := m.tree.Size(); n > len(m.members) {
		m.members = append(m.members, make([]member, n-len(m.members))...)
	}
	m.renew()
}

// chooseKey picks the equality whose values the fewest selections wait for, and
// of those the one whose member has the most values that somebody waits for. A
// thousand times event_name=ERROR and another session_id each are looked up by
// session this way, as the second finds the first under ERROR.
func (m *Matcher) chooseKey(e *entry) int {
	best, fewest, known := byNone, 0, 0
	if e.sel == nil {
		return best
	}
	for i := range e.sel.conditions {
		c := &e.sel.conditions[i]
		if c.op != equal {
			continue
		}
		waiting, values := 0, &m.members[e.ids[i]]
		for _, v := range c.values {
			waiting = max(waiting, len(values.texts[v.text]))
		}
		n := len(values.texts)
		if best == byNone || waiting < fewest || (waiting == fewest && n > known) {
			best, fewest, known = i, waiting, n
		}
	}
	return best
}

// eachPlace calls f for every list in which a selection stands.
func (m *Matcher) eachPlace(e *entry, f func(place map[string][]int32, key string)) {
	if e.key == byNone {
		return
	}
	mem := &m.members[e.ids[e.key]]
	if mem.texts == nil {
		mem.texts = map[string][]int32{}
	}
	if mem.numbers == nil {
		mem.numbers = map[string][]int32{}
	}
	var numbers []string // 1 and 1.0 are two strings and one number
	for _, v := range e.sel.conditions[e.key].values {
		f(mem.texts, v.text)
		if !v.numeric {
			continue
		}
		if key := string(v.num.appendKey(nil)); !slices.Contains(numbers, key) {
			numbers = append(numbers, key)
			f(mem.numbers, key)
		}
	}
	mem.texts, mem.numbers = shrink.Map(mem.texts, &mem.most[0]), shrink.Map(mem.numbers, &mem.most[1])
}

// without takes an id out, which is looked for from the end: those who leave soon are there.
func without(list []int32, id int32) []int32 {
	i := len(list) - 1
	for list[i] != id {
		i--
	}
	list[i] = list[len(list)-1]
	return shrink.Slice(list[:len(list)-1])
}

// Match appends the ids of all selections that the event passes, in no particular
// order. It keeps nothing of event.
func (m *Matcher) Match(event []byte, dst []int32) []int32 {
	m.number++
	m.event, m.hashed, m.scratch = event, false, m.scratch[:0]
	m.found.Scan(event)
	for _, id := range m.found.IDs() {
		for _, candidate := range m.waiting(id) {
			if m.passes(&m.entries[candidate]) {
				dst = append(dst, candidate)
			}
		}
	}
	for _, candidate := range m.general {
		if m.passes(&m.entries[candidate]) {
			dst = append(dst, candidate)
		}
	}
	for _, id := range m.found.IDs() {
		m.members[id].value = value{}
	}
	m.event = nil
	return dst
}

// waiting returns the selections that are looked up by this member and wait for
// the value that it has in the event.
func (m *Matcher) waiting(id int32) []int32 {
	mem := &m.members[id]
	if len(mem.texts) == 0 {
		return nil
	}
	v := m.value(id)
	switch v.kind {
	case text, literal:
		if len(v.text) <= maxValue {
			return mem.texts[string(v.text)]
		}
	case numeric:
		// No literal has more digits; one of the bytes may be the point.
		if len(mem.numbers) > 0 && len(v.num.digits) <= maxValue+1 {
			var buf [maxValue + 32]byte
			return mem.numbers[string(v.num.appendKey(buf[:0]))]
		}
	}
	return nil
}

// passes checks everything but the condition by which the entry was found.
func (m *Matcher) passes(e *entry) bool {
	if e.sel == nil {
		return true
	}
	for i := range e.sel.conditions {
		if i != e.key && !e.sel.conditions[i].holds(m.value(e.ids[i])) {
			return false
		}
	}
	s := &e.sel.sample
	switch {
	case s.share == 0:
		return true
	case s.by != nil:
		return s.passes(m.value(e.by))
	}
	if !m.hashed {
		m.hash, m.hashed = hash(m.event), true
	}
	return m.hash <= s.limit
}

// value reads a member once per event, however many selections ask.
func (m *Matcher) value(id int32) *value {
	mem := &m.members[id]
	if mem.number != m.number {
		raw, ok := m.found.Value(m.event, id)
		mem.value, m.scratch = valueOf(raw, ok, m.scratch)
		mem.number = m.number
	}
	return &mem.value
}
