package session

import "sync"

// Memory is a Store within one process.
type Memory struct {
	practices Practices

	mu     sync.Mutex // guards what follows
	stored storage
	active presences
}

// NewMemory returns an empty store.
func NewMemory(o Options) *Memory {
	return &Memory{practices: NewPractices(o.DefaultPractice), stored: newStorage(o), active: make(presences)}
}

// Practices implements [Store].
func (m *Memory) Practices() Practices { return m.practices }

// Put implements [Store].
func (m *Memory) Put(e Event) Event {
	e, _ = m.put(e)
	return e
}

// put is Put, and returns what was given up for the event, too.
func (m *Memory) put(e Event) (stored Event, up []excess) {
	if !e.Stored() {
		return e, nil
	}
	new := newEntry(m.practices.key(e), e, false)
	m.mu.Lock()
	defer m.mu.Unlock()
	new.event.At = m.stored.later(new)
	up = m.stored.put(new, m.active.has(new.key.member))
	return new.event, up
}

// hear is put for an event that another instance stores.
func (m *Memory) hear(e Event) (up []excess) {
	if !e.Stored() {
		return nil
	}
	new := newEntry(m.practices.key(e), e, true)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored.put(new, m.active.has(new.key.member))
}

// Join implements [Store].
func (m *Memory) Join(practice, user string) bool {
	m.join(m.practices.member(practice, user), practice)
	return false
}

// join reports whether it was the member's first socket here. practice is as it was written.
func (m *Memory) join(who member, practice string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.active.join(who, m.practices.written(who, practice))
	if first {
		m.stored.replace(who, true)
	}
	return first
}

// Leave implements [Store].
func (m *Memory) Leave(practice, user string, keep bool) bool {
	who := m.practices.member(practice, user)
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.leaveLocked(who)
	if last && !keep {
		m.stored.forget(who)
	}
	m.stored.trim(nil) // those without sockets are more by one
	return last
}

// leaveLocked reports whether it was the member's last socket here.
func (m *Memory) leaveLocked(who member) bool {
	last := m.active.leave(who)
	if last {
		m.stored.replace(who, false)
	}
	return last
}

// Latest implements [Store].
func (m *Memory) Latest(practice, user string) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*entry
	if practice == AnyPractice {
		for who := range m.stored.places[user] {
			found = m.stored.latest(found, who)
		}
	} else {
		found = m.stored.latest(nil, m.practices.member(practice, user))
	}
	return newest(inOrder(found))
}

// Replay implements [Store].
func (m *Memory) Replay(practice string) []Event {
	events := inOrder(m.ofActive(m.practices.Fold(practice)))
	sortByAge(events)
	return events
}

// ofActive is what is stored of a practice's active users.
func (m *Memory) ofActive(practice string) (found []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for user := range m.active[practice] {
		found = m.stored.latest(found, member{practice, user})
	}
	return found
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
	of := &m.stored
	return MemoryStats{len(of.entries), of.absent.bytes + of.present.bytes, of.absent.bytes, m.active.users(), of.evicted}
}
