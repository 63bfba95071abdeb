package screens

import (
	"slices"
	"sync"
	"time"
)

// Loops run short functions, each loop one at a time: the writer loops of streams do. A
// function that has the same turn as another one is run by the same loop, after it.
type Loops interface {
	// Post has f run soon. It reports false if there is no loop any more.
	Post(turn uint64, f func()) bool
}

// An outbox has the writers of the sockets that a loop is to write to. A goroutine that gives a socket something
// to write puts it in; the loop takes all at once, so that it is asked once for many.
type outbox struct {
	loops Loops // nil: goroutines write
	turn  uint64

	batch batch // of the loop

	mu     sync.Mutex // guards what follows
	full   []*writer
	spare  []*writer // the memory of full, while there is none
	posted bool      // the loop will come
}

// turnBytes is the most that a socket is given before the next one's turn.
const turnBytes = 256 << 10

// serveTime is how long an outbox is served before the loop does something else: an event may
// be for thousands of sockets.
const serveTime = 20 * time.Millisecond

// put has a loop write to the socket, whose writing is set.
func (o *outbox) put(w *writer) {
	if o.loops == nil {
		go w.write(new(batch))
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.full = append(o.full, w)
	o.postLocked()
}

// postLocked has the loop come, if there is something for it.
func (o *outbox) postLocked() {
	if o.posted || len(o.full) == 0 {
		return
	}
	if o.posted = o.loops.Post(o.turn, o.serve); !o.posted { // the loops have ended
		for _, w := range o.full {
			go w.write(new(batch))
		}
		o.full = nil
	}
}

// serve is run by the loop.
func (o *outbox) serve() {
	o.mu.Lock()
	all := o.full
	o.full, o.spare, o.posted = o.spare, nil, false
	o.mu.Unlock()
	begin, served := time.Now(), 0
	for _, w := range all {
		w.write(&o.batch)
		if served++; time.Since(begin) > serveTime {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	came := o.full
	o.full = append(slices.Delete(all, 0, served), came...) // those that had no turn are first
	clear(came)
	o.spare = came[:0]
	o.postLocked()
}
