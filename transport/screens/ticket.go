package screens

import (
	"net"

	"event-dispatcher/transport/websocket"
)

// A Ticket is a place for a socket. It must be used once, by Serve or Forget.
type Ticket struct {
	hub            *Hub
	practice, user string
	replay         bool
	handshake      websocket.Handshake
	endedBy        func(end func(websocket.Reason)) // nil: nobody ends it
	over           func()                           // follows its end; nil: nothing does
}

// EndedBy returns a ticket whose socket can be ended from outside. As soon as the socket can
// be written to, bind gets a function that ends it and does not wait. over is called once,
// after the socket has closed, if Serve was called.
func (t Ticket) EndedBy(bind func(end func(websocket.Reason)), over func()) Ticket {
	t.endedBy, t.over = bind, over
	return t
}

// Admit reserves a place for a socket of a user.
func (h *Hub) Admit(practice, user string, replay bool, hs websocket.Handshake) (Ticket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return Ticket{}, ErrDraining
	}
	if h.sockets.Load() >= int64(h.options.MaxSockets) || h.sessions.Crowded() {
		return Ticket{}, ErrFull
	}
	h.sockets.Add(1)
	return Ticket{hub: h, practice: practice, user: user, replay: replay, handshake: hs}, nil
}

// Forget gives the place back.
func (t Ticket) Forget() { t.hub.sockets.Add(-1) }

// Serve takes the connection over; it returns at once. early is what came behind
// the request.
func (t Ticket) Serve(conn net.Conn, early []byte) {
	h := t.hub
	limitKernelBuffer(conn)
	s := newSocket(h, conn, &h.boxes[h.turn.Add(1)%uint64(len(h.boxes))], t.over)
	if !h.enter(s, t) {
		conn.Close()
		t.Forget()
		if t.over != nil {
			t.over()
		}
		return
	}
	go s.opening(t, early)
}

// enter has the socket get what is published from here on, unless the hub drains.
func (h *Hub) enter(s *socket, t Ticket) bool {
	h.mu.Lock()
	draining := h.draining
	if !draining {
		h.entering.Add(1)
		h.present.Add(1)
	}
	h.mu.Unlock()
	if draining {
		return false
	}
	defer h.entering.Done()
	h.rooms.enter(s, t.practice, t.user)
	return true
}

// beginWith begins with what is stored, if it was asked for and there is somebody to read it.
func (s *socket) beginWith(t Ticket) {
	var stored *replay
	if t.replay && !s.hungUp() {
		stored = s.hub.replays.of(t.practice) // after it was entered, so that nothing falls in between
	}
	if stored.len() <= smallReplay || !s.user.lately.some.Load() {
		s.begin(stored)
		return
	}
	s.user.opening.do(func() {
		if s.hungUp() {
			stored.release()
			stored = nil
		}
		s.begin(stored)
	})
}

// smallReplay is of how many events it takes no time to find out what a user just got.
const smallReplay = 256

// opening answers the handshake, has the replay go out, and then the peer be read.
func (s *socket) opening(t Ticket, early []byte) {
	h := s.hub
	tell := h.sessions.Join(t.practice, t.user) // what comes right after the answer is of a user with a socket
	if t.handshake.Answer(s.conn) != nil {
		tell()
		h.exit(s, s.finish(websocket.ReasonLeft))
		return
	}
	s.upgrade()
	if t.endedBy != nil {
		t.endedBy(s.dismiss)
	}
	tell()
	s.beginWith(t)
	reader := h.readers.Add(s.conn, early, s)
	s.mu.Lock()
	s.reader, s.parking.await = reader, reader.Await
	s.awaitLocked()
	closed := s.closed && s.closeBy.IsZero() // meanwhile
	s.mu.Unlock()
	if closed {
		reader.Stop(websocket.ReasonLeft)
	}
}
