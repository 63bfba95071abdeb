package ws

import (
	"context"
	"slices"
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

	lately lately // guards itself
}

// push hands a frame to all sockets of the user.
func (u *user) push(f *frame) {
	for _, s := range u.sockets {
		s.push(f)
	}
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
	for practice, last := range h.replays {
		if now.Sub(last.at) > inFlight {
			delete(h.replays, practice)
		}
	}
	list := make([]*socket, 0, h.sockets.Load())
	for practice, room := range h.rooms {
		for name, u := range room {
			if u.lately.forget(now) && len(u.sockets) == 0 {
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
