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

	first, end int32 // of the replay, if it is a part of it

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

// next takes what goes out next. It reports false if nothing does.
func (l *backlog) next(b *batch) bool {
	switch {
	case l.closed:
		return false
	case l.pong != nil:
		p := l.pong
		l.pong = nil
		return b.add(p)
	case l.ping:
		l.ping = false
		l.missed.Add(1) // now, not when it was due: a slow socket is not a dead one
		return b.add(pingFrame)
	case l.waits:
		return false
	case !l.open: // and so ended before its replay
		l.clear()
		return l.takeClose(b)
	}
	if l.skipped == 0 && (l.takeReplay(b) || l.takeLive(b)) {
		return true
	}
	if l.waits {
		return false
	}
	switch {
	case l.skipped > 0: // at its place: before what comes behind it
		p := wire.Format{Kind: wire.WebSocket}.AppendSkipped(nil, l.skipped)
		l.skipped = 0
		return b.add(p)
	case l.last != nil:
		return l.takeClose(b)
	}
	return false
}

// takeFrame adds a frame to a batch. It reports whether the frame is dealt with, because
// it is in the batch or because it is given up.
func (l *backlog) takeFrame(b *batch, f *frame) bool {
	switch f.begin() {
	case begun:
		b.frames, b.size = append(b.frames, f.share()), b.size+f.size
		b.add(f.bytes)
	case later:
		l.waits = len(b.frames) == 0
		return false
	default:
		l.skip(1)
	}
	return true
}

// full reports whether nothing more goes into a batch: it is large enough, or the next
// thing is to say what was skipped.
func (l *backlog) full(b *batch) bool {
	return b.size >= batchBytes || l.skipped > 0 && len(b.frames) > 0
}

// takeReplay takes a part of the replay.
func (l *backlog) takeReplay(b *batch) bool {
	if !l.replayed.more() {
		return false
	}
	b.first = l.replayed.next
	for l.replayed.more() && !l.full(b) {
		f := l.replayed.events[l.replayed.next]
		if f.lost() && len(b.frames) > 0 || !l.takeFrame(b, f) {
			break
		}
		l.replayed.next = l.replayed.from(l.replayed.next+1, l.user.name)
	}
	b.end = l.replayed.next
	return len(b.frames) > 0
}

// takeLive takes a part of the queue.
func (l *backlog) takeLive(b *batch) bool {
	if l.queue.frames == nil || l.replayed.more() {
		return false
	}
	b.first, b.end = 0, 0
	for l.queue.frames != nil && !l.full(b) {
		f := l.queue.frames[0]
		if f.lost() && len(b.frames) > 0 || !l.takeFrame(b, f) {
			break
		}
		l.queue.take().release()
	}
	return len(b.frames) > 0
}

// takeClose takes the close frame. The peer answers with its own; then, or if it
// does not, reading ends.
func (l *backlog) takeClose(b *batch) bool {
	l.closed, b.closing = true, true
	return b.add(l.last)
}

var pingFrame = wire.AppendPing(nil, "")
