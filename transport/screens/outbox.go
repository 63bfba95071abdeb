package screens

import "sync"

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

// put has a loop write to the socket, whose writing is set.
func (o *outbox) put(w *writer) {
	if o.loops == nil {
		go w.write(new(batch))
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.full = append(o.full, w)
	if o.posted {
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
	for _, w := range all {
		w.write(&o.batch)
	}
	clear(all)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.full == nil {
		o.full = all[:0]
	} else {
		o.spare = all[:0]
	}
}
