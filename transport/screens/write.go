package screens

import (
	"errors"
	"net"
	"os"
	"time"

	"event-dispatcher/transport/websocket"
)

const (
	writeStep = time.Second
	hurry     = 2 * time.Second // patience while others wait to begin
)

// writeLocked has the loop write if there is anything for it.
func (s *socket) writeLocked() {
	if s.writing || s.closed || s.ending || !s.upgraded || !s.open && s.last == nil {
		return
	}
	if s.pong != nil || s.ping || !s.waits && s.moreLocked() {
		s.writing = true
		s.box.put(s)
	}
}

// moreLocked reports whether anything but a control frame waits.
func (s *socket) moreLocked() bool {
	return s.replayed.more() || s.queue.frames != nil || s.last != nil || s.skipped > 0
}

// retry begins again after others had to be done first.
func (s *socket) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = false
	s.writeLocked()
}

// write is a turn of the socket's loop: it hands over what there is, as far as the
// connection takes it at once. If that is not all, flush goes on.
//
// The batch is the loop's, for its memory.
func (s *socket) write(b *batch) {
	for left := int64(turnBytes); left > 0; {
		if !s.nextBatch(b) {
			return
		}
		n, err := s.try(b)
		left -= n
		if err == nil && len(b.bytes) > 0 {
			s.hub.counters.bytes.Add(uint64(n))
			rest := *b
			*b = batch{}
			go s.flush(&rest)
			return
		}
		s.wrote(b, n, err)
	}
	s.box.put(s)
}

// flush writes a batch, and what comes behind it, however long it takes. It is the
// goroutine of a socket that does not take everything at once.
func (s *socket) flush(b *batch) {
	for more := true; more; more = s.nextBatch(b) {
		n, err := s.writeAll(b.bytes)
		s.wrote(b, n, err)
	}
}

// nextBatch takes what goes out next. If there is nothing, nobody writes any more.
func (s *socket) nextBatch(b *batch) bool {
	b.reset()
	s.mu.Lock()
	if s.nextLocked(b) {
		s.mu.Unlock()
		return true
	}
	if s.armed && !s.ending {
		s.armed = false
		s.conn.SetWriteDeadline(time.Time{})
	}
	s.writing = false
	waits := s.waits
	if s.ending {
		close(s.flushed)
	}
	s.mu.Unlock()
	if waits {
		s.hub.budget.wait(s)
	}
	return false
}

// failed ends the connection after an error.
func (s *socket) failed(err error) {
	why := websocket.ReasonOf(err)
	s.mu.Lock()
	if !s.ours {
		s.why, s.ours = why, true
	}
	s.closed = true
	s.clearLocked()
	s.mu.Unlock()
	s.conn.Close()
	s.stopReading(why)
}

// wrote notes what became of a batch, of which n bytes went out at last.
func (s *socket) wrote(b *batch, n int64, err error) {
	now := time.Now()
	s.hub.counters.bytes.Add(uint64(n))
	switch {
	case err != nil:
	case b.end > b.first && len(b.frames) > 0:
		s.user.lately.addShare(now, b.share, b.first, b.end)
		s.hub.counters.replayed.Add(uint64(len(b.frames)))
	case len(b.frames) > 0:
		s.user.lately.add(now, b.frames)
		s.hub.counters.delivered.Add(uint64(len(b.frames)))
	}
	if b.closing {
		s.mu.Lock()
		s.closeBy = now.Add(closeWait)
		s.mu.Unlock()
	}
	for _, f := range b.frames {
		f.done()
		f.release()
	}
	if err != nil {
		s.failed(err)
	}
}

// writeAll hands p to the connection, however long it takes as long as it makes
// progress.
func (s *socket) writeAll(p net.Buffers) (sum int64, err error) {
	for progress := time.Now(); ; {
		patience := s.arm()
		n, err := s.writePart(&p)
		sum += n
		now := time.Now()
		if n > 0 {
			progress = now
		}
		switch {
		case err == nil && len(p) == 0:
			return sum, nil
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded) || now.Sub(progress) >= patience:
			return sum, err
		}
	}
}

// writePart is one write. What it writes of a large frame is bounded, so that progress
// can be seen.
func (s *socket) writePart(p *net.Buffers) (int64, error) {
	if first := (*p)[0]; len(first) > 4*batchBytes {
		n, err := s.conn.Write(first[:4*batchBytes])
		(*p)[0] = first[n:]
		return int64(n), err
	}
	return p.WriteTo(s.conn)
}

// arm gives the connection some time for a write, and returns the patience with one
// that takes nothing. With s locked, because finish shortens it.
func (s *socket) arm() (patience time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
	if s.ending {
		s.conn.SetWriteDeadline(s.endBy)
		return 0
	}
	patience = s.hub.options.Stall
	if s.hub.budget.pressed() {
		patience = min(patience, hurry)
	}
	s.conn.SetWriteDeadline(time.Now().Add(min(patience, writeStep)))
	return patience
}
