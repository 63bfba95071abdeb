package screens

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/wire"
)

// A budget bounds the memory of all that waits for the sockets of a hub: live events,
// held-back ones and replays. Over it the oldest frames are given up, whichever socket
// waits for them: so those who read keep what they need, and those who do not lose
// first. A socket that reaches a frame that was given up skips it, and counts it.
//
// A frame is in the budget once, but what each socket has to remember that it waits for the
// frame is in it, too: many sockets make the places of a small frame larger than the frame.
// A socket drops its places of frames that are given up with its next event, or when the
// clock comes by.
//
// What users got lately is in it, too: up to a quarter.
//
// Beside it there are the lists of replays, up to a quarter of it. They make no frame be given
// up, because that would not make them less. While they take more, sockets let go of
// their replay soon, and skip what is not written of it; see backlog.settle.
//
// A frame that is being written cannot be given up: half of it may be on the connection.
// Only the places of those who have not begun can; they skip it. So only a part of the
// budget may be in that state. A socket that wants to begin then
// waits until another one is done; and while somebody waits, or did a moment ago, a writer
// that makes no progress is given little time, see writer.arm.
type budget struct {
	limit   int64
	held    atomic.Int64 // bytes of frames that are not given up, of their places, and lately
	writing atomic.Int64 // of those, bytes of frames that are being written
	lately  atomic.Int64 // bytes of what users got lately, which are held, too
	lists   atomic.Int64 // bytes of replays, and of given-up frames that are in some
	hard    atomic.Int64 // until when somebody waited just now; ns since epoch

	mu          sync.Mutex // guards what follows
	first, last *frame     // may be given up, by age
	waiting     []*writer  // may begin to write when others are done; each once
}

// frameOverhead is what a frame takes beyond its bytes, about.
const frameOverhead = 256

// A frame is one event, encoded once and shared by all that it goes to.
type frame struct {
	// Fixed after newFrame.
	id     string // the event's
	hash   eventHash
	sum    uint64 // of all of the event
	slot   slot
	at     int64  // the event's time; Unix ms
	target string // the only user that it is for; empty: all
	size   int64
	rest   int64 // of size, what stays until nobody has the frame, also if it is given up
	listed bool  // made for a replay
	budget *budget

	refs    atomic.Int32 // queues and replays it is in, and its maker
	places  atomic.Int32 // bytes that queues take for it; below zero once it is given up
	writers atomic.Int32 // givenUp, or sockets that write it
	bytes   []byte       // until it is given up; for those who write it

	// Guarded by the budget.
	older, newer *frame
	inList       bool // of frames that may be given up
	lingers      bool // given up, and its rest is in the lists
}

// givenUp is the number of writers of a frame whose bytes are given up.
const givenUp = -1

// noPlaces is the bytes of the places of a frame that is given up. It stays below zero
// when places are dropped that were not counted any more.
const noPlaces = math.MinInt32 / 2

// A slot is what a stored event is the latest of, within its practice.
type slot struct{ source, action string }

func slotOf(e session.Event) slot {
	if !e.Stored() {
		return slot{}
	}
	return slot{e.Source, e.Action}
}

func sumOf(e session.Event) uint64 { return maphash.Comparable(seed, e) }

// newFrame makes a frame with one reference, the maker's; listed says that it is for a replay.
func (b *budget) newFrame(e session.Event, listed bool) *frame {
	e.Origin = ""
	text := e.JSON()
	f := &frame{id: e.ID, hash: hashOf(e.ID), sum: sumOf(e), slot: slotOf(e), at: e.At, target: e.TargetUser, listed: listed, budget: b}
	f.bytes = append(wire.AppendTextHeader(make([]byte, 0, wire.MaxTextHeader+len(text)), len(text)), text...)
	f.rest = frameOverhead + int64(len(e.ID)+len(e.Source)+len(e.TargetUser))
	f.size = int64(len(f.bytes)) + f.rest
	f.refs.Store(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held.Add(f.size)
	f.inList = true
	if f.older = b.last; f.older != nil {
		f.older.newer = f
	} else {
		b.first = f
	}
	b.last = f
	b.relieveLocked()
	return f
}

// relieveLocked gives up the oldest frames that are over the budget. Of those that are
// being written only the places are, and nobody looks at them again: there may be thousands.
func (b *budget) relieveLocked() {
	for oldest := b.first; oldest != nil && b.held.Load() > b.limit; {
		newer := oldest.newer
		b.giveUpLocked(oldest) // first: a writer that is done from here on drops the frame
		if oldest.writers.CompareAndSwap(0, givenUp) {
			b.removeLocked(oldest)
		} else {
			b.unlistLocked(oldest)
		}
		oldest = newer
	}
}

// giveUpLocked has those who wait for a frame skip it.
func (b *budget) giveUpLocked(f *frame) {
	if !f.lost() {
		b.held.Add(-int64(f.places.Swap(noPlaces)))
	}
}

// place counts the bytes of a place that waits for the frame; those of one that is dropped
// are negative.
func (f *frame) place(bytes int32) {
	if f.places.Add(bytes) < 0 {
		return // not counted any more
	}
	b := f.budget
	if b.held.Add(int64(bytes)) > b.limit && bytes > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.relieveLocked()
	}
}

// remember counts bytes of what a user got lately, if there is room for them or they must be.
func (b *budget) remember(bytes int, must bool) bool {
	n := int64(bytes)
	if b.lately.Add(n) > b.limit/4 && !must {
		b.lately.Add(-n)
		return false
	}
	b.held.Add(n)
	return true
}

// forget gives them back.
func (b *budget) forget(bytes int) {
	b.lately.Add(-int64(bytes))
	b.held.Add(-int64(bytes))
}

// list counts bytes of a replay beside those of its frames.
func (b *budget) list(bytes int64) { b.lists.Add(bytes) }

// crowded reports whether replays take more than their part.
func (b *budget) crowded() bool { return b.lists.Load() > b.limit/4 }

// removeLocked takes a frame that nobody writes out of the budget.
func (b *budget) removeLocked(f *frame) {
	b.unlistLocked(f)
	f.bytes = nil
	b.giveUpLocked(f)
	b.held.Add(-f.size)
	if f.listed && f.refs.Load() > 0 {
		f.lingers = true
		b.list(f.rest)
	}
}

// unlistLocked takes a frame out of the list, if it is in it.
func (b *budget) unlistLocked(f *frame) {
	if !f.inList {
		return
	}
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		b.first = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		b.last = f.older
	}
	f.older, f.newer, f.inList = nil, nil, false
}

// release gives a reference back.
func (f *frame) release() {
	if f.refs.Add(-1) == 0 {
		f.drop()
	}
}

// drop takes the frame out of the budget, unless somebody writes it.
func (f *frame) drop() {
	mine := f.writers.CompareAndSwap(0, givenUp)
	if !mine && !f.listed {
		return
	}
	b := f.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case mine:
		b.removeLocked(f)
	case f.lingers && f.refs.Load() == 0:
		f.lingers = false
		b.list(-f.rest)
	}
}

// isFor reports whether a user may see the event.
func (f *frame) isFor(user string) bool { return f.target == "" || f.target == user }

// lost reports whether the frame is given up.
func (f *frame) lost() bool { return f.places.Load() < 0 }

// Answers of begin.
const (
	begun = iota
	gone  // given up
	later // too much is being written
)

// begin makes the caller a writer of the frame: its bytes stay until done.
func (f *frame) begin() int {
	for {
		switch n := f.writers.Load(); {
		case n == givenUp || f.lost():
			return gone
		case n > 0:
			if f.writers.CompareAndSwap(n, n+1) {
				return begun
			}
		default:
			if w := f.budget.writing.Add(f.size); w > f.budget.writable(f) && w > f.size {
				f.budget.writing.Add(-f.size)
				return later
			}
			if f.writers.CompareAndSwap(0, 1) {
				return begun
			}
			f.budget.writing.Add(-f.size)
		}
	}
}

// writable is how much may be written at once: a little more of small frames, which most
// connections take at once, so that they do not wait for large ones.
func (b *budget) writable(f *frame) int64 {
	if f.size <= batchBytes {
		return b.limit * 3 / 4
	}
	return b.limit / 2
}

// done ends what begin began. The caller has a reference still.
func (f *frame) done() {
	if f.writers.Add(-1) > 0 {
		return
	}
	b := f.budget
	b.writing.Add(-f.size)
	if f.lost() {
		f.drop()
	}
	b.mu.Lock()
	waiting := b.nextLocked()
	b.mu.Unlock()
	for _, w := range waiting {
		w.retry()
	}
}

// wait has a socket retry when another one is done.
func (b *budget) wait(w *writer) {
	b.hard.Store(int64(time.Since(epoch) + pressTime))
	b.mu.Lock()
	if !w.inLine {
		w.inLine = true
		b.waiting = append(b.waiting, w)
	}
	var now []*writer
	if b.writing.Load() == 0 { // nobody else will be done
		now = b.nextLocked()
	}
	b.mu.Unlock()
	for _, w := range now {
		w.retry()
	}
}

// nextLocked takes those who wait out of the line.
func (b *budget) nextLocked() []*writer {
	next := b.waiting
	b.waiting = nil
	for _, w := range next {
		w.inLine = false
	}
	return next
}

// pressTime is for how long sockets that take little are given little time after somebody had
// to wait. Whoever waits tries again with each frame that others are done with, be it the
// smallest, and waits for nobody then; the next one that stalls is in the way all the same.
const pressTime = time.Second

// pressed reports whether sockets wait until others are done, or have until just now.
func (b *budget) pressed() bool {
	if int64(time.Since(epoch)) < b.hard.Load() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}
