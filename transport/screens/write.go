package screens

import (
	"errors"
	"net"
	"os"
	"time"

	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

const (
	batchBytes = 16 << 10 // of frames that go out at once; but one may be larger
	writeStep  = time.Second
	hurry      = 2 * time.Second // patience while others wait to begin
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
	return s.replayingLocked() || s.queue != nil || s.last != nil || s.skipped > 0
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
func (s *socket) write() {
	for left := int64(turnBytes); left > 0; {
		b := s.nextBatch()
		if b == nil {
			return
		}
		n, err := s.try(&b.bytes)
		left -= n
		if err == nil && len(b.bytes) > 0 {
			s.hub.counters.bytes.Add(uint64(n))
			go s.flush(b)
			return
		}
		s.wrote(b, n, err)
	}
	s.box.put(s)
}

// flush writes a batch, and what comes behind it, however long it takes. It is the
// goroutine of a socket that does not take everything at once.
func (s *socket) flush(b *batch) {
	for ; b != nil; b = s.nextBatch() {
		n, err := s.writeAll(b.bytes)
		s.wrote(b, n, err)
	}
}

// nextBatch takes what goes out next. If there is nothing, nobody writes any more.
func (s *socket) nextBatch() *batch {
	s.mu.Lock()
	b := s.nextLocked()
	if b != nil {
		s.mu.Unlock()
		return b
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
	return nil
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

// A batch goes out at once.
type batch struct {
	bytes  net.Buffers
	frames []*frame // each with a reference, and being written
	size   int64    // of the frames

	// Of a part of the replay.
	share      share
	first, end int32

	closing bool
}

// nextLocked takes what goes out next, nil if nothing does.
func (s *socket) nextLocked() *batch {
	switch {
	case s.closed:
		return nil
	case s.pong != nil:
		p := s.pong
		s.pong = nil
		return &batch{bytes: net.Buffers{p}}
	case s.ping:
		s.ping = false
		s.missed.Add(1) // now, not when it was due: a slow socket is not a dead one
		return &batch{bytes: net.Buffers{pingFrame}}
	case s.waits:
		return nil
	case !s.open: // and so ended before its replay
		s.clearLocked()
		return s.closeLocked()
	}
	if s.skipped == 0 {
		b := s.replayLocked()
		if b == nil {
			b = s.liveLocked()
		}
		if b != nil || s.waits {
			return b
		}
	}
	switch {
	case s.skipped > 0: // at its place: before what comes behind it
		p := wire.Format{Kind: wire.WebSocket}.AppendSkipped(nil, s.skipped)
		s.skipped = 0
		return &batch{bytes: net.Buffers{p}}
	case s.last != nil:
		return s.closeLocked()
	}
	return nil
}

// takeFrame adds a frame to a batch. It reports whether the frame is dealt with, because
// it is in the batch or because it is given up.
func (s *socket) takeFrame(b *batch, f *frame) bool {
	switch f.begin() {
	case begun:
		b.frames, b.bytes, b.size = append(b.frames, f.share()), append(b.bytes, f.bytes), b.size+f.size
	case later:
		s.waits = len(b.frames) == 0
		return false
	default:
		s.skipped++
		s.hub.counters.skipped.Add(1)
	}
	return true
}

// full reports whether nothing more goes into a batch: it is large enough, or the next
// thing is to say what was skipped.
func (s *socket) full(b *batch) bool {
	return b.size >= batchBytes || s.skipped > 0 && len(b.frames) > 0
}

// replayLocked takes a part of the replay.
func (s *socket) replayLocked() *batch {
	if !s.replayingLocked() {
		return nil
	}
	b := &batch{share: s.replayed, first: s.next}
	for s.replayingLocked() && !s.full(b) {
		f := s.replayed.events[s.next]
		if f.lost() && len(b.frames) > 0 || !s.takeFrame(b, f) {
			break
		}
		s.next = s.replayed.from(s.next+1, s.user.name)
	}
	b.end = s.next
	if b.frames == nil {
		return nil
	}
	return b
}

// liveLocked takes a part of the queue.
func (s *socket) liveLocked() *batch {
	if s.queue == nil || s.replayingLocked() {
		return nil
	}
	b := &batch{}
	for s.queue != nil && !s.full(b) {
		f := s.queue[0]
		if f.lost() && len(b.frames) > 0 || !s.takeFrame(b, f) {
			break
		}
		s.takeLocked().release()
	}
	if b.frames == nil {
		return nil
	}
	return b
}

// closeLocked takes the close frame. The peer answers with its own; then, or if it
// does not, reading ends.
func (s *socket) closeLocked() *batch {
	s.closed = true
	return &batch{bytes: net.Buffers{s.last}, closing: true}
}

// wrote notes what became of a batch, of which n bytes went out at last.
func (s *socket) wrote(b *batch, n int64, err error) {
	now := time.Now()
	s.hub.counters.bytes.Add(uint64(n))
	switch {
	case err != nil:
	case b.end > b.first:
		s.user.lately.addShare(now, b.share, b.first, b.end)
		s.hub.counters.replayed.Add(uint64(len(b.frames)))
	case b.frames != nil:
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

var pingFrame = wire.AppendPing(nil, "")

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
