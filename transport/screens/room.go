package screens

import (
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/websocket"
)

// A room is a practice: its users with sockets here, and those who had some lately.
type room struct {
	mu       sync.Mutex // guards what follows, and which sockets users have
	users    map[string]*user
	latest   *replay // nil, or with the room's reference
	latestAt time.Time
	gone     bool // out of the hub: nobody enters any more
}

// A user is one user in one practice: its sockets at this instance, and what it
// got lately. It outlives its sockets for as long as that matters.
type user struct {
	// Fixed after enter.
	practice, name string
	room           *room

	sockets []*socket // guarded by the room

	opening turns  // of its sockets, one at a time: each finds out what the user just got
	lately  lately // guards itself
}

// Deliver shows an event to the sockets that it is for. Those of a practice get all
// events in one order.
func (h *Hub) Deliver(e session.Event) {
	r := h.rooms.of(e.Practice)
	if r == nil {
		return
	}
	f := h.budget.newFrame(e, false)
	defer f.release()
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.TargetUser != "" {
		if u := r.users[e.TargetUser]; u != nil {
			u.push(f)
		}
		return
	}
	for _, u := range r.users {
		u.push(f)
	}
}

// push hands a frame to all sockets of the user.
func (u *user) push(f *frame) {
	for _, s := range u.sockets {
		s.push(f)
	}
}

// enter makes s a socket of the user, unless the room is gone.
func (r *room) enter(s *socket, practice, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return false
	}
	u := r.users[name]
	if u == nil {
		u = &user{practice: practice, name: name, room: r, opening: make(turns, 1)}
		r.users[name] = u
	}
	u.sockets = append(u.sockets, s)
	s.user = u
	return true
}

// socketBytes is what a socket leaves behind, about: its queue, and a goroutine if it was
// slow.
const socketBytes = 20 << 10

// exit forgets a socket.
func (h *Hub) exit(s *socket, why websocket.Reason) {
	h.counters.closed[why].Add(1)
	h.sockets.Add(-1)
	h.tidier.Left(socketBytes)
	u := s.user
	switch why {
	case websocket.ReasonSilent, websocket.ReasonStalled, websocket.ReasonProtocol, websocket.ReasonNotUTF8, websocket.ReasonTooBig, websocket.ReasonFlood, websocket.ReasonDeadline, websocket.ReasonError:
		h.options.Log.Info("session socket cut", zap.Stringer("reason", why), h.options.UserIP.Logged(s.conn.RemoteAddr()))
	}
	u.room.mu.Lock()
	u.sockets = slices.DeleteFunc(u.sockets, func(o *socket) bool { return o == s })
	u.room.mu.Unlock()
	h.sessions.Leave(u.practice, u.name)
	if s.over != nil {
		s.over()
	}
	h.present.Done()
}

// tidy forgets users without sockets, and a replay that nobody asked for lately. It adds
// the sockets to the list, and says whether the room is gone.
//
// No user's lock is taken with the room's: what a user got may take a while to look
// through.
func (r *room) tidy(list []*socket, now time.Time) (_ []*socket, gone bool) {
	for _, u := range r.tidyReplay(now) {
		u.lately.forget(now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, u := range r.users {
		if len(u.sockets) == 0 && !u.lately.some.Load() {
			delete(r.users, name)
			continue
		}
		list = append(list, u.sockets...)
	}
	r.gone = len(r.users) == 0 && r.latest == nil
	return list, r.gone
}

// tidyReplay forgets the replay if nobody asked for it lately. It lists the users who got
// something.
func (r *room) tidyReplay(now time.Time) (got []*user) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.latest; l != nil && (l.isOver(r.latestAt, now) || l.isCrowded(r.latestAt, now)) {
		r.latest.release()
		r.latest = nil
	}
	for _, u := range r.users {
		if u.lately.some.Load() {
			got = append(got, u)
		}
	}
	return got
}

// list adds the room's sockets.
func (r *room) list(list []*socket) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.users {
		list = append(list, u.sockets...)
	}
	return list
}

// present is how many of the room's users have a socket.
func (r *room) present() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.users {
		if len(u.sockets) > 0 {
			n++
		}
	}
	return n
}
