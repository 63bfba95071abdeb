package ws

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a socket's queue. A socket that takes its frames keeps it empty.
const (
	maxQueue      = 1024     // frames
	maxQueueBytes = 1 << 20  // but one frame may be larger
	replayBytes   = 16 << 10 // of a replay, taken at a time; but one event may be larger
)

// Patience at the end of a connection.
const (
	closeWait   = 2 * time.Second // for the peer's close frame
	lingerWait  = time.Second     // for what it still sends
	lingerBytes = 8 << 20
)

// A socket is one screen. One goroutine reads it; another writes while there is
// something to write.
type socket struct {
	// Fixed after enterLocked.
	hub  *Hub
	conn net.Conn
	user *user

	missed  atomic.Int32 // pings since something was heard
	pingDue time.Time    // owned by the hub's clock
	joining bool         // guarded by the hub: the store counts it, or will

	mu       sync.Mutex         // guards what follows
	upgraded bool               // the handshake is answered
	open     bool               // the replay is decided; until then live frames wait
	replayed share              // until it is written, and nothing older can come any more
	next     int32              // the first event of it that is not written
	passed   map[int32]struct{} // its events that something later was sent in the place of
	early    []early            // oldest first
	opened   time.Time
	queue    []*frame
	queued   int    // bytes of the queue
	skipped  uint64 // events that the socket was not told yet it missed
	pong     []byte // answer to the latest ping (RFC 6455, section 5.5.3)
	ping     bool
	last     []byte // close frame: nothing follows it
	closed   bool   // the close frame is written, or cannot be
	writing  bool   // flush runs
	ending   bool   // the reader has ended
	why      Reason // of the end, if it is ours
	ours     bool
	flushed  chan struct{} // closed by flush when ending
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
	f.refs.Add(1)
	s.queue = append(s.queue, f)
	s.queued += len(f.bytes)
	for len(s.queue) > 1 && (len(s.queue) > maxQueue || s.queued > maxQueueBytes || s.hub.held.Load() > s.hub.options.QueueBytes) {
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
	s.queued -= len(f.bytes)
	return f
}

// begin ends the wait for the replay: its events go out, then those that came
// meanwhile. What is in both keeps its place among the latter.
func (s *socket) begin(r *replay) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
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
		if i, ok := r.find(f.slot); ok && r.events[i].ID == f.id {
			out[i] = struct{}{}
		}
	}
	return out
}

// forgetReplay lets go of the replay once it is written and nothing on its way from
// another instance can bring its events again.
func (s *socket) forgetReplay(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open && now.Sub(s.opened) > inFlight && !s.replayingLocked() {
		s.forgetReplayLocked()
	}
}

func (s *socket) forgetReplayLocked() { s.replayed, s.next, s.passed = share{}, 0, nil }

// replayingLocked reports whether some of the replay is not written yet.
func (s *socket) replayingLocked() bool { return int(s.next) < s.replayed.len() }

// control takes a frame that the library wants to go out: an answer to a close
// frame or to a breach of the protocol. Pongs come another way.
func (s *socket) control(frame []byte) {
	if frame[0] != opClose {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(frame, true)
}

func (s *socket) answer(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pong = pongFrame(payload) // in place of one that waits
	s.writeLocked()
}

func (s *socket) askPing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ping = true
	s.writeLocked()
}

// end closes the socket from our side, after what is queued.
func (s *socket) end(code int, text string, why Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ours && s.last == nil {
		s.why, s.ours = why, true
		s.showLocked(func(early) bool { return true })
		s.endLocked(closeFrame(code, text), false)
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

// writeLocked has flush run if there is anything for it.
func (s *socket) writeLocked() {
	if s.writing || s.closed || s.ending || !s.upgraded || !s.open && s.last == nil {
		return
	}
	if s.pong != nil || s.ping || s.replayingLocked() || s.queue != nil || s.last != nil || s.skipped > 0 {
		s.writing = true
		go s.flush()
	}
}

// flush writes until there is nothing left. There is never more than one.
func (s *socket) flush() {
	for {
		s.mu.Lock()
		p, wrote := s.nextLocked()
		if p == nil {
			s.writing = false
			if s.ending {
				close(s.flushed)
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		err := s.write(p)
		wrote(err == nil)
		if err == nil {
			s.hub.counters.bytes.Add(uint64(len(p)))
			continue
		}
		why := reasonOf(err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			why = ReasonStalled
		}
		s.mu.Lock()
		if !s.ours {
			s.why, s.ours = why, true
		}
		s.closed = true
		s.clearLocked()
		s.mu.Unlock()
		s.conn.Close() // the reader ends, too
	}
}

// nextLocked takes what goes out next, nil if nothing does, and what to do when
// it has or has not.
func (s *socket) nextLocked() (p []byte, wrote func(ok bool)) {
	switch {
	case s.closed:
	case s.pong != nil:
		p, s.pong = s.pong, nil
		return p, func(bool) {}
	case s.ping:
		s.ping = false
		s.missed.Add(1) // now, not when it was due: a slow socket is not a dead one
		return pingFrame, func(bool) {}
	case !s.open: // and so ended before its replay
		s.clearLocked()
		return s.closeLocked()
	case s.replayingLocked():
		return s.replayLocked()
	case s.skipped > 0:
		p, s.skipped = AppendSkipped(nil, s.skipped), 0
		return p, func(bool) {}
	case s.queue != nil:
		f := s.takeLocked()
		return f.bytes, func(ok bool) {
			if ok {
				if f.slot != (slot{}) {
					s.user.lately.add(time.Now(), f.id)
				}
				s.hub.counters.delivered.Add(1)
			}
			f.release()
		}
	case s.last != nil:
		return s.closeLocked()
	}
	return nil, nil
}

// replayLocked takes about replayBytes of the replay. Taken at once, the replay of a
// practice that has stored much would be in memory for every socket that does not
// read.
func (s *socket) replayLocked() (p []byte, wrote func(ok bool)) {
	first, shared := s.next, s.replayed
	n := 0
	for i := first; int(i) < shared.len() && n < replayBytes; i = shared.from(i+1, s.user.name) {
		n += len(shared.events[i].frame)
	}
	p = make([]byte, 0, n)
	for s.replayingLocked() && len(p) < n {
		p = append(p, shared.events[s.next].frame...)
		s.hub.counters.replayed.Add(1)
		s.next = shared.from(s.next+1, s.user.name)
	}
	end := s.next
	return p, func(ok bool) {
		if ok {
			s.user.lately.addShare(time.Now(), shared, first, end)
		}
	}
}

// closeLocked takes the close frame. The peer answers with its own; then, or if it
// does not, reading ends.
func (s *socket) closeLocked() (p []byte, wrote func(ok bool)) {
	s.closed = true
	return s.last, func(bool) { s.conn.SetReadDeadline(time.Now().Add(closeWait)) }
}

var pingFrame = AppendPing(nil, "")

// write hands p to the connection, however long it takes as long as it makes
// progress.
func (s *socket) write(p []byte) error {
	for {
		ending := s.arm()
		n, err := s.conn.Write(p)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if !(n > 0 && !ending && errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
}

// arm gives the connection the patience that a write may take, and reports whether
// the reader has ended. With s locked, because finish shortens it.
func (s *socket) arm() (ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	patience := s.hub.options.Stall
	if s.ending {
		patience = closeWait
	}
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	return s.ending
}

// finish closes the connection after its reader has ended, and returns why.
func (s *socket) finish(why Reason) Reason {
	s.mu.Lock()
	if s.ours {
		why = s.why
	}
	s.ending = true
	s.clearLocked()
	wait := s.writing
	if wait {
		s.flushed = make(chan struct{})
		s.conn.SetWriteDeadline(time.Now().Add(closeWait))
	}
	s.mu.Unlock()
	if wait {
		<-s.flushed
	}
	Linger(s.conn)
	return why
}

// cut closes the connection at once.
func (s *socket) cut(why Reason) {
	s.mu.Lock()
	s.ours, s.why = true, why
	s.closed = true
	s.mu.Unlock()
	s.conn.Close()
}

// limitKernelBuffer keeps the backlog of a slow socket in its queue, where it can
// be skipped and counted.
func limitKernelBuffer(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		tcp.SetWriteBuffer(32 << 10)
	}
}
