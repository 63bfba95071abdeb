package screens

import (
	"net"
	"syscall"
	"time"

	"event-dispatcher/transport/bare"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// closeWait is how long a socket waits for the peer's close frame, and for what is still to
// be written.
const closeWait = 2 * time.Second

// A socket is one screen. The hub's readers read it, and its writer has what goes out.
type socket struct {
	writer

	over    func()    // follows its end; nil: nothing does
	pingDue time.Time // owned by the hub's clock

	// Guarded by mu, like what the writer has.
	reader *websocket.Reader // nil until there is one
	why    websocket.Reason  // of the end, if it is ours
	ours   bool
}

func newSocket(h *Hub, conn net.Conn, box *outbox, over func()) *socket {
	s := &socket{over: over, pingDue: time.Now().Add(h.options.jitteredPing())}
	s.hub, s.conn, s.box, s.counters, s.failed = h, conn, box, &h.counters, s.lost
	s.tls = conn != nil && !bare.Is(conn)
	if sc, ok := conn.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn() // without it a goroutine writes
	}
	return s
}

// Heard implements [websocket.Peer].
func (s *socket) Heard() { s.missed.Store(0) }

// Ping implements [websocket.Peer].
func (s *socket) Ping(payload []byte) {
	pong := wire.AppendPong(nil, string(payload))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pong = pong // in place of one that waits
	s.writeLocked()
}

// End implements [websocket.Peer]: nothing more is read.
func (s *socket) End(why websocket.Reason, answer []byte) {
	if answer != nil {
		s.mu.Lock()
		s.endLocked(answer, true)
		s.mu.Unlock()
	}
	go func() { s.hub.exit(s, s.finish(why)) }()
}

// stopReading has End be called, if it was not.
func (s *socket) stopReading(why websocket.Reason) {
	s.mu.Lock()
	reader := s.reader
	s.mu.Unlock()
	if reader != nil { // else opening does it
		reader.Stop(why)
	}
}

// isOver reports whether the peer has not answered our close frame in time.
func (s *socket) isOver(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closeBy.IsZero() && now.After(s.closeBy)
}

func (s *socket) askPing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ping = true
	s.writeLocked()
}

// end closes the socket from our side, after what is queued.
func (s *socket) end(code int, text string, why websocket.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ours && s.last == nil {
		s.why, s.ours = why, true
		s.show(func(early) bool { return true })
		s.endLocked(wire.AppendClose(nil, code, text), false)
	}
}

// dismiss closes the socket of somebody who may not stay, without what is queued.
func (s *socket) dismiss(why websocket.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ours && s.last == nil {
		s.why, s.ours = why, true
		s.endLocked(wire.AppendClose(nil, wire.CodePolicy, why.String()), true)
		time.AfterFunc(closeWait, func() { s.cut(why) })
	}
}

// finish closes the connection after its reader has ended, and returns why.
func (s *socket) finish(why websocket.Reason) websocket.Reason {
	s.mu.Lock()
	if s.ours {
		why = s.why
	}
	s.ending = true
	s.clear()
	wait := s.writing
	if wait {
		s.flushed = make(chan struct{})
		s.endBy = time.Now().Add(closeWait)
		s.conn.SetWriteDeadline(s.endBy)
		s.awaitLocked()
	}
	s.mu.Unlock()
	if wait {
		<-s.flushed
	}
	front.Linger(s.conn)
	return why
}

// cut closes the connection at once.
func (s *socket) cut(why websocket.Reason) {
	s.mu.Lock()
	s.ours, s.why = true, why
	s.closed = true
	s.mu.Unlock()
	s.conn.Close()
	s.stopReading(why)
}

// lost ends the connection after an error.
func (s *socket) lost(err error) {
	why := websocket.ReasonOf(err)
	s.mu.Lock()
	if !s.ours || s.why == websocket.ReasonDrained && why == websocket.ReasonStalled {
		s.why, s.ours = why, true
	}
	s.closed = true
	s.clear()
	s.mu.Unlock()
	s.conn.Close()
	s.stopReading(why)
}

// limitKernelBuffer keeps the backlog of a slow socket in its queue, where it can
// be skipped and counted.
func limitKernelBuffer(conn net.Conn) {
	if tcp, ok := bare.Conn(conn).(interface{ SetWriteBuffer(bytes int) error }); ok {
		tcp.SetWriteBuffer(32 << 10)
	}
}
