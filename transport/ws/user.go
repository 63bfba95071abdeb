package ws

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A user is one user in one practice: its sockets at this instance, and what it
// got lately. It outlives its sockets for as long as that matters.
type user struct {
	// Fixed after enterLocked.
	practice, name string

	// Guarded by the hub.
	sockets []*socket

	mu     sync.Mutex           // guards what follows
	lately map[string]time.Time // ids of events, and when they were written
}

// push hands a frame to all sockets of the user.
func (u *user) push(f *frame) {
	for _, s := range u.sockets {
		s.push(f)
	}
}

// got notes that events were written to a socket of the user.
func (u *user) got(now time.Time, ids ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lately == nil {
		u.lately = map[string]time.Time{}
	}
	for _, id := range ids {
		u.lately[id] = now
	}
}

// gotLately is the loop guard: the known browser client opens a new socket
// whenever it gets an event, and would get that event again for ever.
func (u *user) gotLately(id string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, ok := u.lately[id]
	return ok && now.Sub(at) < guardWindow
}

// forget drops what was not lately, and reports whether nothing is left.
func (u *user) forget(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lately == nil {
		return true
	}
	maps.DeleteFunc(u.lately, func(_ string, at time.Time) bool { return now.Sub(at) >= guardWindow })
	if len(u.lately) == 0 {
		u.lately = nil // a map that was large stays large
	}
	return u.lately == nil
}

// enterLocked makes s a socket of the user.
func (h *Hub) enterLocked(s *socket, practice, name string) {
	folded := h.fold(practice)
	room := h.rooms[folded]
	if room == nil {
		room = map[string]*user{}
		h.rooms[folded] = room
	}
	u := room[name]
	if u == nil {
		u = &user{practice: practice, name: name}
		room[name] = u
	}
	u.sockets = append(u.sockets, s)
	s.user = u
}

// exit forgets a socket. joined says that the store counts it.
func (h *Hub) exit(s *socket, why Reason, joined bool) {
	h.counters.closed[why].Add(1)
	h.sockets.Add(-1)
	u := s.user
	switch why {
	case ReasonSilent, ReasonStalled, ReasonProtocol, ReasonNotUTF8, ReasonTooBig, ReasonDeadline, ReasonError:
		h.options.Log.Info("session socket cut", zap.Stringer("reason", why), zap.Stringer("address", s.conn.RemoteAddr()))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u.sockets = slices.DeleteFunc(u.sockets, func(o *socket) bool { return o == s })
	if joined && !h.draining {
		h.leaves = append(h.leaves, leave{time.Now().Add(max(h.options.Grace, 0)), u.practice, u.name})
		select {
		case h.leaving <- struct{}{}:
		default:
		}
	}
}

// A leave is a closed socket of which the store has not been told yet.
type leave struct {
	due            time.Time
	practice, user string
}

// leaver tells the store of closed sockets when their grace is over, and
// everybody else of users that are gone then. A user that has come back in time
// has a socket more in the store, so that the old one is not its last.
func (h *Hub) leaver(ctx context.Context) {
	for ctx.Err() == nil {
		h.mu.Lock()
		var next leave
		some := len(h.leaves) > 0
		if some {
			next = h.leaves[0]
		}
		h.mu.Unlock()
		if !some {
			select {
			case <-ctx.Done():
			case <-h.leaving:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next.due)):
		}
		h.mu.Lock()
		h.leaves[0] = leave{}
		h.leaves = h.leaves[1:]
		late := h.draining // see Drain
		h.mu.Unlock()
		if !late && h.ties.Load().store.Leave(next.practice, next.user) {
			h.Logout(next.practice, next.user)
		}
	}
}

// tidy removes users without sockets, and lists the sockets.
func (h *Hub) tidy(now time.Time) []*socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*socket, 0, h.sockets.Load())
	for practice, room := range h.rooms {
		for name, u := range room {
			if u.forget(now) && len(u.sockets) == 0 {
				delete(room, name)
				continue
			}
			list = append(list, u.sockets...)
		}
		if len(room) == 0 {
			delete(h.rooms, practice)
		}
	}
	return list
}

// list is all sockets.
func (h *Hub) list() []*socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*socket
	for _, room := range h.rooms {
		for _, u := range room {
			list = append(list, u.sockets...)
		}
	}
	return list
}
