package screens

import (
	"sync"
	"time"

	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// An Ender ends one socket from outside, at any time after its ticket was made. The
// zero Ender is ready; it is for one socket.
type Ender struct {
	mu   sync.Mutex // guards what follows
	s    *socket    // nil: not served yet
	done bool
	why  websocket.Reason
}

// End closes the socket for a reason, without what is queued. It does not wait.
// Ending it again does nothing.
func (e *Ender) End(why websocket.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return
	}
	e.done, e.why = true, why
	if e.s != nil {
		e.s.dismiss(why)
	}
}

// serve is called when the socket can be written to.
func (e *Ender) serve(s *socket) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s = s
	if e.done {
		s.dismiss(e.why)
	}
}

func (s *socket) dismiss(why websocket.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ours && s.last == nil {
		s.why, s.ours = why, true
		s.endLocked(wire.AppendClose(nil, wire.CodePolicy, why.String()), true)
		time.AfterFunc(closeWait, func() { s.cut(why) })
	}
}

// EndedBy is the ticket of a socket that e can end; over is called once when it is
// closed, if it was ever served. Both may be nil.
func (t Ticket) EndedBy(e *Ender, over func()) Ticket {
	t.ender, t.over = e, over
	return t
}
