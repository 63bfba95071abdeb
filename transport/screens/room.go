package screens

import (
	"maps"
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

	lately lately // guards itself
}

// room is a practice's, nil if nobody is there.
func (h *Hub) room(practice string) *room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms[practice]
}

// all is the rooms, by practice, folded.
func (h *Hub) all() map[string]*room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return maps.Clone(h.rooms)
}

// remove takes a room out that is gone.
func (h *Hub) remove(r *room, practice string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[practice] == r {
		delete(h.rooms, practice)
	}
}

// Deliver shows an event to the sockets that it is for. Those of a practice get all
// events in one order.
func (h *Hub) Deliver(e session.Event) {
	r := h.room(h.fold(e.Practice))
	if r == nil {
		return
	}
	f := h.budget.newFrame(e)
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

// roomOf is a practice's room, a new one if there is none. It may go at any moment while
// nobody is there.
func (h *Hub) roomOf(practice string) *room {
	folded := h.fold(practice)
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[folded]
	if r == nil {
		r = &room{users: map[string]*user{}}
		h.rooms[folded] = r
	}
	return r
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
		u = &user{practice: practice, name: name, room: r}
		r.users[name] = u
	}
	u.sockets = append(u.sockets, s)
	s.user = u
	return true
}

// socketBytes is what a socket leaves behind, about: its queue, and a goroutine if it was
// slow.
const socketBytes = 20 << 10

// exit forgets a socket. joined says that it was counted as one of the user's.
func (h *Hub) exit(s *socket, why websocket.Reason, joined bool) {
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
	if joined {
		h.sessions.Leave(u.practice, u.name)
	}
	if s.over != nil {
		s.over()
	}
	h.present.Done()
}

// tidy forgets users without sockets, replays that nobody asked for lately, and empty
// rooms. It lists the sockets.
func (h *Hub) tidy(now time.Time) []*socket {
	list := make([]*socket, 0, h.sockets.Load())
	for practice, r := range h.all() {
		some, gone := r.tidy(now)
		list = append(list, some...)
		if gone {
			h.remove(r, practice)
		}
	}
	return list
}

// tidy takes no user's lock with the room's: what a user got may take a while to look
// through.
func (r *room) tidy(now time.Time) (list []*socket, gone bool) {
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
	if r.latest != nil && now.Sub(r.latestAt) > session.OnItsWay {
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

// list is all sockets.
func (h *Hub) list() (list []*socket) {
	for _, r := range h.all() {
		r.mu.Lock()
		for _, u := range r.users {
			list = append(list, u.sockets...)
		}
		r.mu.Unlock()
	}
	return list
}

// users is how many users have a socket.
func (h *Hub) users() (n int) {
	for _, r := range h.all() {
		r.mu.Lock()
		for _, u := range r.users {
			if len(u.sockets) > 0 {
				n++
			}
		}
		r.mu.Unlock()
	}
	return n
}
