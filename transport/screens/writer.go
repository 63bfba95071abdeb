package screens

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// A writer is the outgoing half of a socket. One of the loops writes; what the connection
// does not take at once is parked.
type writer struct {
	// Fixed after enter.
	hub    *Hub
	conn   net.Conn
	raw    syscall.RawConn // nil: it has no descriptor
	tls    bool
	box    *outbox
	failed func(error) // ends the socket
	inLine bool        // in budget.waiting, whose lock guards it

	mu sync.Mutex // the socket's lock; guards what follows
	backlog
	parking  parking
	upgraded bool // the handshake is answered
	writing  bool // write or flush runs, or write is asked for, or a batch is parked
	armed    bool // the connection has a write deadline:
	writeBy  time.Time
	closeBy  time.Time     // when the peer must have answered the close frame
	ending   bool          // the reader has ended
	endBy    time.Time     // when ending: nothing is written later
	flushed  chan struct{} // closed when ending, by the last write
}

// upgrade lets frames out.
func (w *writer) upgrade() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upgraded = true
	w.writeLocked()
}

// push queues a frame, skipping the oldest ones if they are too many: the newest
// are the ones that matter to a screen.
func (w *writer) push(f *frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending || w.last != nil || !w.due(f, time.Now()) {
		return
	}
	w.skip(w.queue.put(f))
	w.writeLocked()
}

// begin ends the wait for the replay, and takes the reference.
func (w *writer) begin(r *replay) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending || w.last != nil {
		r.release()
		w.open, w.opened = true, now
	} else {
		w.start(r, now)
	}
	w.writeLocked()
}

// tidy is called by the hub's clock.
func (w *writer) tidy(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(now)
	w.writeLocked()
}

// endLocked sets the close frame; with now set, nothing goes out before it.
func (w *writer) endLocked(frame []byte, now bool) {
	if w.last == nil {
		w.last = append([]byte(nil), frame...)
	}
	if now {
		w.clear()
	}
	w.writeLocked()
}
