package session

import (
	"container/list"
	"sync"
	"time"
)

// Memory is a Store within one process.
type Memory struct {
	options   Options
	practices Practices

	mu      sync.Mutex // guards what follows
	entries map[entryKey]*entry
	active  map[string]map[string]presence // by practice, then user
	present aged                           // of members with sockets
	absent  aged                           // of others
	evicted uint64
	stored  map[string]map[member]struct{} // user: where something is stored
}

// An aged list is of entries, least recently put first.
type aged struct {
	list  *list.List // of *entry
	bytes int
}

type entry struct {
	key   entryKey
	event Event
	put   time.Time
	heard bool // of another instance, which stores it
	in    *aged
	place *list.Element
}

// entryOverhead is what an entry takes beyond its strings, about.
const entryOverhead = 512

func (e *entry) size() int {
	return entryOverhead + len(e.event.Data) + len(e.event.Source) + len(e.event.Target) + len(e.event.TargetUser)
}

// NewMemory returns an empty store.
func NewMemory(o Options) *Memory {
	return &Memory{
		options: o.withDefaults(), practices: NewPractices(o.DefaultPractice),
		entries: make(map[entryKey]*entry),
		present: aged{list: list.New()},
		absent:  aged{list: list.New()},
		active:  make(map[string]map[string]presence),
		stored:  make(map[string]map[member]struct{}),
	}
}

// Practices implements [Store].
func (m *Memory) Practices() Practices { return m.practices }

// Put implements [Store].
func (m *Memory) Put(e Event) { m.put(e, false) }

// put returns what was given up for it. An event that was heard of from another instance
// leaves a newer one alone.
func (m *Memory) put(e Event, heard bool) (up []Event) {
	if !e.Stored() {
		return nil
	}
	key := m.practices.key(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.entries[key]; old != nil {
		if heard && old.event.At > e.At {
			return nil
		}
		m.removeLocked(old)
	}
	new := &entry{key: key, event: e, put: time.Now(), heard: heard}
	m.entries[key] = new
	m.placeLocked(new)
	places := m.stored[key.user]
	if places == nil {
		places = make(map[member]struct{})
		m.stored[key.user] = places
	}
	places[key.member] = struct{}{}
	if len(places) > maxPractices {
		up = m.giveUpLocked(up, m.oldestLocked(places)...)
	}
	return m.trimLocked(up)
}

// placeLocked makes an entry the youngest of those of its kind.
func (m *Memory) placeLocked(e *entry) {
	e.in = &m.absent
	if m.active[e.key.practice][e.key.user].sockets > 0 {
		e.in = &m.present
	}
	e.place = e.in.list.PushBack(e)
	e.in.bytes += e.size()
}

// unplaceLocked is the reverse.
func (m *Memory) unplaceLocked(e *entry) {
	e.in.list.Remove(e.place)
	e.in.bytes -= e.size()
}

// replaceLocked is for a member that came or went.
func (m *Memory) replaceLocked(who member) {
	for _, e := range m.latestLocked(nil, who) {
		m.unplaceLocked(e)
		m.placeLocked(e)
	}
}

// oldestLocked is the entries of the place where a user did something the longest ago,
// one without a socket if there is one.
func (m *Memory) oldestLocked(places map[member]struct{}) (oldest []*entry) {
	age := func(of []*entry) (present bool, put time.Time) {
		for _, e := range of {
			if e.put.After(put) {
				put = e.put
			}
			present = present || e.in == &m.present
		}
		return present, put
	}
	for who := range places {
		some := m.latestLocked(nil, who)
		here, put := age(some)
		hereOld, putOld := age(oldest)
		if oldest == nil || !here && hereOld || here == hereOld && put.Before(putOld) {
			oldest = some
		}
	}
	return oldest
}

// trimLocked removes what is expired, and the oldest of what is too much: of those
// without sockets first. It goes a little further than it must, so that it is called for
// many at once.
func (m *Memory) trimLocked(up []Event) []Event {
	for _, of := range []*aged{&m.absent, &m.present} {
		for el := of.list.Front(); el != nil && m.expiredLocked(el.Value.(*entry)); el = of.list.Front() {
			m.removeLocked(el.Value.(*entry))
		}
	}
	if m.absent.bytes > m.options.MaxAbsentBytes {
		for m.absent.bytes > m.options.MaxAbsentBytes/8*7 && m.absent.list.Len() > 0 {
			up = m.giveUpLocked(up, m.absent.list.Front().Value.(*entry))
		}
	}
	for len(m.entries) > m.options.MaxEvents || m.absent.bytes+m.present.bytes > m.options.MaxBytes {
		of := &m.absent
		if of.list.Len() == 0 {
			of = &m.present
		}
		up = m.giveUpLocked(up, of.list.Front().Value.(*entry))
	}
	return up
}

// giveUpLocked removes entries before their time, and adds to up those that nobody else
// stores.
func (m *Memory) giveUpLocked(up []Event, entries ...*entry) []Event {
	for _, e := range entries {
		m.evicted++
		m.removeLocked(e)
		if !e.heard {
			up = append(up, e.event)
		}
	}
	return up
}

func (m *Memory) expiredLocked(e *entry) bool {
	return m.options.TTL > 0 && time.Since(e.put) >= m.options.TTL
}

func (m *Memory) removeLocked(e *entry) {
	m.unplaceLocked(e)
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
		if e := m.entries[entryKey{who, action}]; e != nil && !m.expiredLocked(e) {
			to = append(to, e)
		}
	}
	return to
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
		found = m.latestLocked(nil, m.practices.member(practice, user))
	}
	return newest(inOrder(found))
}

// Replay implements [Store].
func (m *Memory) Replay(practice string) []Event {
	practice = m.practices.Fold(practice)
	events := inOrder(m.ofActive(practice))
	sortByAge(events)
	return events
}

// get is one stored event, and for how long it is valid; 0 is for ever.
func (m *Memory) get(key entryKey) (event Event, ttl time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil || m.expiredLocked(e) {
		return Event{}, 0, false
	}
	if m.options.TTL > 0 {
		ttl = m.options.TTL - time.Since(e.put)
	}
	return e.event, ttl, true
}

// getPut is one stored event, and when it was put.
func (m *Memory) getPut(key entryKey) (event Event, put time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil || m.expiredLocked(e) {
		return Event{}, time.Time{}, false
	}
	return e.event, e.put, true
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
		if old := m.entries[m.practices.key(e)]; old != nil && old.event == e {
			m.removeLocked(old)
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
		if e := m.entries[entryKey{who, action}]; e != nil {
			m.removeLocked(e)
		}
	}
}

// MemoryStats is what a Memory holds.
type MemoryStats struct {
	Events  int    // stored, expired ones that nobody met since included
	Bytes   int    // of memory, about
	Absent  int    // of that, of users without a socket here
	Users   int    // active, per practice
	Evicted uint64 // events given up before their time, for want of room
}

// Stats takes a snapshot.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStats{len(m.entries), m.absent.bytes + m.present.bytes, m.absent.bytes, m.usersLocked(), m.evicted}
}
