package session

import (
	"maps"
	"slices"
	"time"
)

// A mirror is the [Memory] beside a server, which asks it for more than a [Store] is asked.
type mirror struct{ *Memory }

// get is one stored event, and when it was put.
func (m mirror) get(key entryKey) (event Event, put time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.stored.get(key)
	if e == nil {
		return Event{}, time.Time{}, false
	}
	return e.event, e.put, true
}

// of is what is stored of a member.
func (m mirror) of(who member) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return inOrder(m.stored.latest(nil, who))
}

// forget deletes events, but not what has taken their places.
func (m mirror) forget(events []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		if old := m.stored.entries[m.practices.key(e)]; old != nil && old.event == e {
			m.stored.remove(old)
		}
	}
}

// placesOf is the user in the practices where something is stored.
func (m mirror) placesOf(user string) []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.stored.places[user]))
}

// own makes events of a member who came or left, as the server has them, this instance's to give
// up, whoever stored them, and returns what is given up now, for want of room.
func (m mirror) own(events []Event) (up []excess) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		key := m.practices.key(e)
		if old := m.stored.entries[key]; old != nil && !e.replaces(&old.event) {
			old.heard = false
			continue
		}
		up = append(up, m.stored.put(newEntry(key, e, false), m.active.has(key.member))...)
		if kept := m.stored.entries[key]; kept != nil {
			kept.put, kept.read = m.stored.putAt(e), true
		}
	}
	return m.stored.trim(up)
}

// tell notes that what was read from the server is shown here, and reports whether it was not.
func (m mirror) tell(key entryKey) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.stored.entries[key]
	news = e != nil && e.read
	if news {
		e.read = false
	}
	return news
}

// isRead reports whether what is stored was read from the server.
func (m mirror) isRead(key entryKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.stored.entries[key]
	return e != nil && e.read
}

// isGone deletes what is stored of a member of whom an instance says that it is gone, and
// reports true. What this instance stored is left over: the other one removed what was there
// before. Of a member who has a socket here it notes that the server has lost it all.
func (m mirror) isGone(who member) (left []excess, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active.has(who) {
		for _, e := range m.stored.latest(nil, who) {
			m.stored.miss(e, true)
		}
		return nil, false
	}
	for _, e := range m.stored.latest(nil, who) {
		if !e.heard {
			left = append(left, excess{e.event, false})
		}
	}
	m.stored.forget(who)
	return left, true
}

// leave reports whether it was the member's last socket here.
func (m mirror) leave(who member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaveLocked(who)
}

// here is the members that have sockets.
func (m mirror) here() []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active.all()
}

// hereIn is the members of one practice that have sockets.
func (m mirror) hereIn(practice string) []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active.in(practice)
}

// isHere reports whether the member has a socket.
func (m mirror) isHere(who member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active.has(who)
}

// written is the member's practice as the first of its sockets wrote it.
func (m mirror) written(who member) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.practices.written(who, m.active[who.practice][who.user].practice)
}

// enter notes that the server has members among the active users, and returns those of whom that
// is news.
func (m mirror) enter(all []member) (news []member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, who := range all {
		if m.active.enter(who) {
			news = append(news, who)
		}
	}
	return news
}

// isEntered reports whether the server has, or had, the member among the active users.
func (m mirror) isEntered(who member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active[who.practice][who.user].entered
}

// emptied is the members whose last event expired, or was given up, since it was called before.
// Some may have others by now.
func (m mirror) emptied() []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Collect(maps.Keys(m.stored.emptied))
	m.stored.emptied = make(map[member]struct{})
	return all
}

// emptyAgain has emptied return members once more.
func (m mirror) emptyAgain(some []member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, who := range some {
		m.stored.noteEmptied(who)
	}
}
