package screens

import (
	"net"

	"event-dispatcher/transport/wire"
)

// batchBytes is the size of the frames that go out at once; but one may be larger.
const batchBytes = 16 << 10

// A batch goes out at once.
type batch struct {
	bytes  net.Buffers
	whole  net.Buffers // bytes before some of them went out
	frames []*frame    // each with a reference, and being written
	size   int64       // of the frames

	// Of a part of the replay.
	share      share
	first, end int32

	closing bool

	attempt // on systems that have one
}

// reset empties the batch, but keeps its memory.
func (b *batch) reset() {
	clear(b.whole)
	clear(b.frames)
	*b = batch{bytes: b.whole[:0], frames: b.frames[:0], attempt: b.attempt}
}

// add adds bytes that are no frame's.
func (b *batch) add(p []byte) bool {
	b.bytes = append(b.bytes, p)
	b.whole = b.bytes
	return true
}

// nextLocked takes what goes out next. It reports false if nothing does.
func (s *socket) nextLocked(b *batch) bool {
	switch {
	case s.closed:
		return false
	case s.pong != nil:
		p := s.pong
		s.pong = nil
		return b.add(p)
	case s.ping:
		s.ping = false
		s.missed.Add(1) // now, not when it was due: a slow socket is not a dead one
		return b.add(pingFrame)
	case s.waits:
		return false
	case !s.open: // and so ended before its replay
		s.clearLocked()
		return s.closeLocked(b)
	}
	if s.skipped == 0 && (s.replayLocked(b) || s.liveLocked(b)) {
		return true
	}
	if s.waits {
		return false
	}
	switch {
	case s.skipped > 0: // at its place: before what comes behind it
		p := wire.Format{Kind: wire.WebSocket}.AppendSkipped(nil, s.skipped)
		s.skipped = 0
		return b.add(p)
	case s.last != nil:
		return s.closeLocked(b)
	}
	return false
}

// takeFrame adds a frame to a batch. It reports whether the frame is dealt with, because
// it is in the batch or because it is given up.
func (s *socket) takeFrame(b *batch, f *frame) bool {
	switch f.begin() {
	case begun:
		b.frames, b.size = append(b.frames, f.share()), b.size+f.size
		b.add(f.bytes)
	case later:
		s.waits = len(b.frames) == 0
		return false
	default:
		s.skipLocked(1)
	}
	return true
}

// full reports whether nothing more goes into a batch: it is large enough, or the next
// thing is to say what was skipped.
func (s *socket) full(b *batch) bool {
	return b.size >= batchBytes || s.skipped > 0 && len(b.frames) > 0
}

// replayLocked takes a part of the replay.
func (s *socket) replayLocked(b *batch) bool {
	if !s.replayed.more() {
		return false
	}
	b.share, b.first = s.replayed.share, s.replayed.next
	for s.replayed.more() && !s.full(b) {
		f := s.replayed.events[s.replayed.next]
		if f.lost() && len(b.frames) > 0 || !s.takeFrame(b, f) {
			break
		}
		s.replayed.next = s.replayed.from(s.replayed.next+1, s.user.name)
	}
	b.end = s.replayed.next
	return len(b.frames) > 0
}

// liveLocked takes a part of the queue.
func (s *socket) liveLocked(b *batch) bool {
	if s.queue.frames == nil || s.replayed.more() {
		return false
	}
	b.share, b.first, b.end = share{}, 0, 0
	for s.queue.frames != nil && !s.full(b) {
		f := s.queue.frames[0]
		if f.lost() && len(b.frames) > 0 || !s.takeFrame(b, f) {
			break
		}
		s.queue.take().release()
	}
	return len(b.frames) > 0
}

// closeLocked takes the close frame. The peer answers with its own; then, or if it
// does not, reading ends.
func (s *socket) closeLocked(b *batch) bool {
	s.closed, b.closing = true, true
	return b.add(s.last)
}

var pingFrame = wire.AppendPing(nil, "")
