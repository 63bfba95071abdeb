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

// Bounds of a socket's queue. A socket that takes its frames keeps it empty.
const (
	maxQueue      = 1024    // frames
	maxQueueBytes = 1 << 20 // but one frame may be larger
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

	mu       sync.Mutex         // guards what follows
	upgraded bool               // the handshake is answered
	open     bool               // the replay is decided; until then live frames wait
	replayed share              // until it is written, and nothing older can come any more
	next     int32              // the first event of it that is not written
	passed   map[int32]struct{} // replayed events that were superseded by a live one
	early    []early            // oldest first
	opened   time.Time
	queue    []*frame
	queued   int64  // bytes of the queue
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
	s.queueLocked(f)
	s.writeLocked()
}

// queueLocked puts a frame behind those that wait.
func (s *socket) queueLocked(f *frame) {
	s.queue = append(s.queue, f.share())
	s.queued += f.size
	for len(s.queue) > 1 && (len(s.queue) > maxQueue || s.queued > maxQueueBytes) {
		s.dropLocked()
	}
	s.purgeLocked()
}

// purgeLocked skips the frames that are given up: those are the oldest.
func (s *socket) purgeLocked() {
	for len(s.queue) > 0 && s.queue[0].lost() {
		s.dropLocked()
	}
}

// dropLocked skips the oldest frame.
func (s *socket) dropLocked() {
	s.takeLocked().release()
	s.skipped++
	s.hub.counters.skipped.Add(1)
}

// takeLocked takes the oldest frame out.
func (s *socket) takeLocked() *frame {
	f := s.queue[0]
	s.queue[0] = nil
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil // idle sockets keep no array
	}
	s.queued -= f.size
	return f
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
	s.replayed = share{r, s.leftOutLocked(r, now)}
	s.next = s.replayed.from(0, s.user.name)
	waiting := s.queue
	s.queue, s.queued = nil, 0
	for _, f := range waiting {
		if s.dueLocked(f, now) {
			s.queueLocked(f)
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
	for _, f := range s.queue {
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
		_, passed := s.passed[e.index] // those of a slot keep their order
		return passed || now.Sub(e.since) >= doubt
	})
	if len(s.early) == 0 {
		s.early = nil
	}
	s.purgeLocked()
	if s.open && now.Sub(s.opened) > session.OnItsWay && !s.replayingLocked() {
		s.forgetReplayLocked()
	}
	s.writeLocked()
}

func (s *socket) forgetReplayLocked() {
	s.replayed.release()
	s.replayed, s.next, s.passed = share{}, 0, nil
}

// replayingLocked reports whether some of the replay is not written yet.
func (s *socket) replayingLocked() bool { return int(s.next) < s.replayed.len() }

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
	for len(s.queue) > 0 {
		s.takeLocked().release()
	}
	for _, e := range s.early {
		e.release()
	}
	s.early = nil
	s.forgetReplayLocked()
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
