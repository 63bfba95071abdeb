package session

import (
	"cmp"
	"container/list"
	"slices"
	"sync"
	"time"
)

// Memory is a Store within one process.
type Memory struct {
	options Options

	mu      sync.Mutex // guards what follows
	entries map[entryKey]*list.Element
	order   *list.List // of *entry, least recently put first
	bytes   int
	evicted uint64
	active  map[string]map[string]presence // by practice, then user
	stored  map[string]map[member]struct{} // user: where something is stored
}

type entry struct {
	key   entryKey
	event Event
	put   time.Time
}

// entryOverhead is what an entry takes beyond its strings, about.
const entryOverhead = 512

func (e *entry) size() int {
	return entryOverhead + len(e.event.Data) + len(e.event.Source) + len(e.event.Target) + len(e.event.TargetUser)
}

// NewMemory returns an empty store.
func NewMemory(o Options) *Memory {
	return &Memory{
		options: o.withDefaults(),
		entries: make(map[entryKey]*list.Element),
		order:   list.New(),
		active:  make(map[string]map[string]presence),
		stored:  make(map[string]map[member]struct{}),
	}
}

// Put implements [Store].
func (m *Memory) Put(e Event) { m.put(e, false) }

// put with careful set leaves a stored event that is newer alone.
func (m *Memory) put(e Event, careful bool) {
	if !e.Stored() {
		return
	}
	key := m.options.key(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.entries[key]; old != nil {
		if careful && old.Value.(*entry).event.At > e.At {
			return
		}
		m.removeLocked(old)
	}
	new := &entry{key, e, time.Now()}
	m.entries[key] = m.order.PushBack(new)
	m.bytes += new.size()
	places := m.stored[key.user]
	if places == nil {
		places = make(map[member]struct{})
		m.stored[key.user] = places
	}
	places[key.member] = struct{}{}
	m.trimLocked()
}

// trimLocked removes what is expired, and the oldest of what is too much.
func (m *Memory) trimLocked() {
	for {
		oldest := m.order.Front()
		if oldest == nil {
			return
		}
		if !m.expiredLocked(oldest) {
			if m.order.Len() <= m.options.MaxEvents && m.bytes <= m.options.MaxBytes {
				return
			}
			m.evicted++
		}
		m.removeLocked(oldest)
	}
}

func (m *Memory) expiredLocked(el *list.Element) bool {
	return m.options.TTL > 0 && time.Since(el.Value.(*entry).put) >= m.options.TTL
}

func (m *Memory) removeLocked(el *list.Element) {
	e := m.order.Remove(el).(*entry)
	m.bytes -= e.size()
	delete(m.entries, e.key)
	for _, action := range actions {
		if m.entries[entryKey{e.key.member, action}] != nil {
			return
		}
	}
	delete(m.stored[e.key.user], e.key.member)
	if len(m.stored[e.key.user]) == 0 {
		delete(m.stored, e.key.user)
	}
}

// latestLocked appends what is stored of a member.
func (m *Memory) latestLocked(to []*entry, who member) []*entry {
	for _, action := range actions {
		if el := m.entries[entryKey{who, action}]; el != nil && !m.expiredLocked(el) {
			to = append(to, el.Value.(*entry))
		}
	}
	return to
}

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

// Latest implements [Store].
func (m *Memory) Latest(practice, user string) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*entry
	if practice == AnyPractice {
		for who := range m.stored[user] {
			found = m.latestLocked(found, who)
		}
	} else {
		found = m.latestLocked(nil, m.options.member(practice, user))
	}
	return newest(inOrder(found))
}

// Replay implements [Store].
func (m *Memory) Replay(practice string) []Event {
	practice = m.options.member(practice, "").practice
	events := inOrder(m.ofActive(practice))
	sortByAge(events)
	return events
}

// get is one stored event, and for how long it is valid; 0 is for ever.
func (m *Memory) get(key entryKey) (e Event, ttl time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	el := m.entries[key]
	if el == nil || m.expiredLocked(el) {
		return Event{}, 0, false
	}
	if m.options.TTL > 0 {
		ttl = m.options.TTL - time.Since(el.Value.(*entry).put)
	}
	return el.Value.(*entry).event, ttl, true
}

// getPut is one stored event, and when it was put.
func (m *Memory) getPut(key entryKey) (e Event, put time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	el := m.entries[key]
	if el == nil || m.expiredLocked(el) {
		return Event{}, time.Time{}, false
	}
	return el.Value.(*entry).event, el.Value.(*entry).put, true
}

// of is what is stored of a member.
func (m *Memory) of(who member) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return inOrder(m.latestLocked(nil, who))
}

// forget deletes events, but not what has taken their places.
func (m *Memory) forget(events []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		if el := m.entries[m.options.key(e)]; el != nil && el.Value.(*entry).event == e {
			m.removeLocked(el)
		}
	}
}

// forgetGone deletes what is stored of a member without sockets.
func (m *Memory) forgetGone(who member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active[who.practice][who.user].sockets == 0 {
		m.forgetLocked(who)
	}
}

func (m *Memory) forgetLocked(who member) {
	for _, action := range actions {
		if el := m.entries[entryKey{who, action}]; el != nil {
			m.removeLocked(el)
		}
	}
}

// MemoryStats is what a Memory holds.
type MemoryStats struct {
	Events  int    // stored, expired ones that nobody met since included
	Bytes   int    // of memory, about
	Users   int    // active, per practice
	Evicted uint64 // events given up before their time, for want of room
}

// Stats takes a snapshot.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStats{m.order.Len(), m.bytes, m.usersLocked(), m.evicted}
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
