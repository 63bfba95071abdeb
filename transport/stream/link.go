package stream

import (
	"net"
	"sync"
	"time"
)

// A Link is for wires on which the consumer speaks, too: the reader of the socket
// has the loop write answers, at a place between events, and learns when the loop
// has let go. The loop stays the only one that writes.
type Link struct {
	loop *loop
	c    *consumer
	conn net.Conn // the reader's
	over chan struct{}

	mu     sync.Mutex // guards what follows
	answer []byte     // the latest one that is not written yet
	told   bool       // the loop knows that there is one
	ended  bool       // End was called
	freed  bool       // Done is closed
	after  func()
}

// ServeLinked is Serve for a consumer that is read. The caller reads conn, until
// that fails, and then calls End; it closes conn once Done is closed.
func (t Ticket) ServeLinked(conn net.Conn, opening []byte) *Link {
	c, loop := t.consumer(conn)
	c.link = &Link{loop: loop, c: c, conn: conn, over: make(chan struct{})}
	loop.add(c, opening)
	t.served(c, loop)
	return c.link
}

// Answer has p written soon, whole frames. If an earlier answer still waits, p
// takes its place: so nobody can make answers pile up by asking.
func (l *Link) Answer(p []byte) {
	l.mu.Lock()
	l.answer = p
	told := l.told
	l.told = true
	l.mu.Unlock()
	if !told {
		l.loop.answer(l.c)
	}
}

// End says that the consumer has closed its side. An answer that waits is still
// tried. Calling it again, or after Done, does nothing.
func (l *Link) End() {
	l.mu.Lock()
	ended := l.ended
	l.ended = true
	l.mu.Unlock()
	if !ended {
		l.loop.end(l.c)
	}
}

// Done is closed when nothing more will be written. From then on reading fails
// within readOn, whatever the consumer does.
func (l *Link) Done() <-chan struct{} { return l.over }

// readOn is how long a consumer may take to hang up after it was sent away.
const readOn = 2 * time.Second

// After has f called, by a goroutine of its own, when Done is closed. It may be called
// once.
func (l *Link) After(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.freed {
		go f()
		return
	}
	l.after = f
}

// release closes Done.
func (l *Link) release() {
	l.conn.SetReadDeadline(time.Now().Add(readOn))
	close(l.over)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.freed = true
	if l.after != nil {
		go l.after()
	}
}

// take is the answer that waits; nil if none does, or if there is no link.
func (l *Link) take() []byte {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.answer
	l.answer, l.told = nil, false
	return p
}

// answer has the link asked for its answer.
func (l *loop) answer(c *consumer) {
	l.post(func() {
		switch {
		case c.slot < 0: // closed meanwhile
		case c.lag != nil:
			l.makeReady(c) // catchUp takes it when the rest is written
		default:
			if p := c.link.take(); p != nil {
				l.tell(c, p)
			}
		}
	})
}

// end ends a consumer that has closed its side.
func (l *loop) end(c *consumer) {
	l.post(func() {
		if c.slot < 0 {
			return
		}
		if !l.sockets.flushed(c) { // what was handed over is still on its way
			l.retire(c, nil, ReasonLeft) // catchUp takes the answer when the rest is written
			return
		}
		// Between frames. Not by tell: what the socket does not take now is not
		// tried again.
		if c.lag == nil || len(c.lag.rest) == 0 {
			if p := c.link.take(); p != nil {
				n, ok := l.write(c, p)
				if !ok {
					return
				}
				l.stats.wires[c.herd.format.Kind].bytes.Add(uint64(n))
				if n == len(p) {
					l.finish(c, ReasonLeft)
					return
				}
			}
		}
		l.close(c, ReasonLeft)
	})
}
