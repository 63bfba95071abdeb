package screens

import (
	"os"
	"slices"
	"time"
)

// A parking is what a connection did not take at once. It waits, without a goroutine,
// until the connection takes bytes again; then a turn of the loop goes on with it. The
// socket's lock guards it.
type parking struct {
	await    func(f func()) bool // the reader's; nil until there is one
	rest     *batch              // nil: nothing
	waits    bool                // nobody has taken it up
	progress time.Time           // when the connection took something at last
	since    time.Time           // when it did not take all of the batch
}

// parkedBytes is the place of a frame in a batch that waits, about.
const parkedBytes = 48

// parked is a copy of the batch, without its free memory.
func (b *batch) parked() *batch {
	for _, f := range b.frames {
		f.place(parkedBytes)
	}
	return &batch{
		bytes: slices.Clone(b.bytes), frames: slices.Clone(b.frames), size: b.size,
		first: b.first, end: b.end, closing: b.closing,
	}
}

// park leaves a batch until the connection takes bytes again. A goroutine goes on with it
// if nothing else can wait for that. Some says that the connection took some of it, fresh that
// it was not parked before.
func (w *writer) park(b *batch, some, fresh bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if some || fresh {
		w.parking.progress = now
	}
	if fresh {
		w.parking.since = now
	}
	w.parking.rest, w.parking.waits = b, true
	w.awaitLocked()
}

// awaitLocked sees to it that somebody goes on with what is parked.
func (w *writer) awaitLocked() {
	p := &w.parking
	if !p.waits {
		return
	}
	if !w.ending && (p.await == nil || p.await(w.takes)) { // nil: opening calls this again
		return
	}
	go w.flush(w.unparkLocked())
}

// takes is told that the connection takes bytes again, or has failed.
func (w *writer) takes() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parking.waits {
		w.parking.waits = false
		w.box.put(w)
	}
}

// unparkLocked is what waits, for the caller to go on with.
func (w *writer) unparkLocked() *batch {
	b := w.parking.rest
	w.parking.rest, w.parking.waits = nil, false
	for _, f := range b.frames {
		f.place(-parkedBytes)
	}
	return b
}

// resume has the loop's batch be what was parked. It reports false if nothing was.
func (w *writer) resume(b *batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parking.rest == nil {
		return false
	}
	rest := w.unparkLocked()
	b.reset()
	b.bytes, b.frames, b.size = append(b.bytes, rest.bytes...), append(b.frames, rest.frames...), rest.size
	b.whole = b.bytes
	b.first, b.end, b.closing = rest.first, rest.end, rest.closing
	return true
}

// cutStalled ends the connection if it has taken nothing for too long, or too little.
func (w *writer) cutStalled(now time.Time) {
	w.mu.Lock()
	p := &w.parking
	if !p.waits || w.ending || now.Sub(p.progress) < w.patience() && !w.hinders(p.since, p.rest.size, now) {
		w.mu.Unlock()
		return
	}
	b := w.unparkLocked()
	w.mu.Unlock()
	w.wrote(b, 0, os.ErrDeadlineExceeded)
	w.nextBatch(b) // nothing: nobody writes any more
}
