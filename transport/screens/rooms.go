package screens

import (
	"maps"
	"sync"
	"time"

	"event-dispatcher/broker/session"
)

// rooms are the practices in which somebody is, or was lately. Its lock is never held
// while a room's is taken.
type rooms struct {
	practices func() session.Practices // says which names are of one practice

	mu    sync.RWMutex
	known map[string]*room // by practice, folded
}

// fold is the practice in the form that is compared.
func (rs *rooms) fold(practice string) string { return rs.practices().Fold(practice) }

// of is a practice's room, nil if nobody is there.
func (rs *rooms) of(practice string) *room {
	folded := rs.fold(practice)
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return rs.known[folded]
}

// enter makes s a socket of a user in the practice's room, a new one if there is none.
func (rs *rooms) enter(s *socket, practice, user string) {
	folded := rs.fold(practice)
	for r := rs.open(folded); !r.enter(s, practice, user); r = rs.open(folded) {
		rs.remove(r, folded)
	}
}

// open returns a practice's room, and makes one if there is none. It may go at any moment while
// nobody is there.
func (rs *rooms) open(folded string) *room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.known[folded]
	if r == nil {
		r = &room{users: map[string]*user{}}
		rs.known[folded] = r
	}
	return r
}

// remove takes a room out that is gone.
func (rs *rooms) remove(r *room, folded string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.known[folded] == r {
		delete(rs.known, folded)
	}
}

// all is the rooms, by practice, folded.
func (rs *rooms) all() map[string]*room {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return maps.Clone(rs.known)
}

// tidy forgets users without sockets, replays that nobody asked for lately, and empty
// rooms. It lists the sockets.
func (rs *rooms) tidy(now time.Time) (list []*socket) {
	for folded, r := range rs.all() {
		var gone bool
		if list, gone = r.tidy(list, now); gone {
			rs.remove(r, folded)
		}
	}
	return list
}

// list is all sockets.
func (rs *rooms) list() (list []*socket) {
	for _, r := range rs.all() {
		list = r.list(list)
	}
	return list
}

// users is how many users have a socket.
func (rs *rooms) users() (n int) {
	for _, r := range rs.all() {
		n += r.present()
	}
	return n
}
