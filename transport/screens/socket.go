package screens

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// Patience at the end of a connection.
const (
	closeWait = 2 * time.Second // for the peer's close frame
)

// A socket is one screen. The hub's readers read it, and its loop writes; a goroutine
// goes on where the connection does not take its bytes at once.
type socket struct {
	// Fixed after enterLocked.
	hub  *Hub
	conn net.Conn
	raw  syscall.RawConn // nil: it has no descriptor
	box  *outbox
	user *user
	over func() // follows its end; nil: nothing does

	missed  atomic.Int32 // pings since something was heard
	pingDue time.Time    // owned by the hub's clock

	mu       sync.Mutex // guards what follows
	upgraded bool       // the handshake is answered
	open     bool       // the replay is decided; until then live frames wait
	replayed playback   // until it is written, and nothing older can come any more
	opened   time.Time
	queue    queue
	skipped  uint64 // events that the socket was not told yet it missed
	pong     []byte // answer to the latest ping (RFC 6455, section 5.5.3)
	ping     bool
	last     []byte            // close frame: nothing follows it
	closed   bool              // the close frame is written, or cannot be
	closeBy  time.Time         // when the peer must have answered it
	reader   *websocket.Reader // nil until there is one
	writing  bool              // write or flush runs, or write is asked for
	armed    bool              // the connection has a write deadline
	waits    bool              // until others are done; see budget
	ending   bool              // the reader has ended
	endBy    time.Time         // when ending: nothing is written later
	why      websocket.Reason  // of the end, if it is ours
	ours     bool
	flushed  chan struct{} // closed when ending, by the last write
}

// upgrade lets frames out.
func (s *socket) upgrade() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgraded = true
	s.writeLocked()
}

// push queues a frame, skipping the oldest ones if they are too many: the newest
// are the ones that matter to a screen.
func (s *socket) push(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.last != nil || !s.dueLocked(f, time.Now()) {
		return
	}
	s.skipLocked(s.queue.put(f))
	s.writeLocked()
}

// skipLocked counts events that the socket does not get.
func (s *socket) skipLocked(n int) {
	s.skipped += uint64(n)
	s.hub.counters.skipped.Add(uint64(n))
}

// begin ends the wait for the replay, and takes the reference: its events go out, then those that came
// meanwhile. What is in both keeps its place among the latter.
func (s *socket) begin(r *replay) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.last != nil {
		r.release()
		s.open, s.opened = true, now
		s.writeLocked()
		return
	}
	s.replayed.share = share{r, s.leftOutLocked(r, now)}
	s.replayed.next = s.replayed.from(0, s.user.name)
	waiting := s.queue.frames
	s.queue = queue{}
	for _, f := range waiting {
		if s.dueLocked(f, now) {
			s.skipLocked(s.queue.put(f))
		}
		f.release()
	}
	s.open, s.opened = true, now
	s.writeLocked()
}

// leftOutLocked is what the socket gets as live events, or got lately.
func (s *socket) leftOutLocked(r *replay, now time.Time) map[int32]struct{} {
	out := map[int32]struct{}{}
	if got := s.user.lately.all(now); len(got) > 0 && r != nil {
		for i, e := range r.events {
			if got[e.hash] && e.isFor(s.user.name) {
				out[int32(i)] = struct{}{}
				s.hub.counters.guarded.Add(1)
			}
		}
	}
	for _, f := range s.queue.frames {
		if i, ok := r.find(f.slot); ok && r.events[i].id == f.id {
			out[i] = struct{}{}
		}
	}
	return out
}

// tidy sends the held-back events that have waited for long enough, skips what is given
// up, and lets go of the replay once it is written and nothing on its way from another
// instance can bring its events again.
func (s *socket) tidy(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.showLocked(func(e early) bool {
		_, passed := s.replayed.passed[e.index] // those of a slot keep their order
		return passed || now.Sub(e.since) >= doubt
	})
	if len(s.replayed.early) == 0 {
		s.replayed.early = nil
	}
	s.skipLocked(s.queue.purge())
	if s.open && now.Sub(s.opened) > session.OnItsWay && !s.replayed.more() {
		s.replayed.forget()
	}
	s.writeLocked()
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
	go func() { s.hub.exit(s, s.finish(why), true) }()
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
		s.showLocked(func(early) bool { return true })
		s.endLocked(wire.AppendClose(nil, code, text), false)
	}
}

// endLocked sets the close frame; with now set, nothing goes out before it.
func (s *socket) endLocked(frame []byte, now bool) {
	if s.last == nil {
		s.last = append([]byte(nil), frame...)
	}
	if now {
		s.clearLocked()
	}
	s.writeLocked()
}

func (s *socket) clearLocked() {
	s.queue.clear()
	s.replayed.clear()
}

// finish closes the connection after its reader has ended, and returns why.
func (s *socket) finish(why websocket.Reason) websocket.Reason {
	s.mu.Lock()
	if s.ours {
		why = s.why
	}
	s.ending = true
	s.clearLocked()
	wait := s.writing
	if wait {
		s.flushed = make(chan struct{})
		s.endBy = time.Now().Add(closeWait)
		s.conn.SetWriteDeadline(s.endBy)
	}
	s.mu.Unlock()
	if wait {
		<-s.flushed
	}
	websocket.Linger(s.conn)
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

// limitKernelBuffer keeps the backlog of a slow socket in its queue, where it can
// be skipped and counted.
func limitKernelBuffer(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		tcp.SetWriteBuffer(32 << 10)
	}
}
