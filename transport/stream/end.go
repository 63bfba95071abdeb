package stream

import "sync"

// An Ender ends one stream from outside, at any time after its ticket was made. The
// zero Ender is ready; it is for one stream.
type Ender struct {
	mu   sync.Mutex // guards what follows
	c    *consumer  // nil: not served yet
	loop *loop
	done bool
	why  Reason
}

// EndedBy is the ticket of a consumer that e can end.
func (t Ticket) EndedBy(e *Ender) Ticket {
	t.ender = e
	return t
}

// End ends the stream for a reason, which a consumer that is up to date is told. It
// does not wait. Ending it again does nothing.
func (e *Ender) End(why Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return
	}
	e.done, e.why = true, why
	if e.c != nil {
		e.loop.dismiss(e.c, why)
	}
}

// serve is called when the loop has the consumer.
func (e *Ender) serve(c *consumer, l *loop) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.c, e.loop = c, l
	if e.done {
		l.dismiss(c, e.why)
	}
}

// dismiss ends a consumer that may not stay. One that is behind is not told: what
// waits for it may be nothing for it any more.
func (l *loop) dismiss(c *consumer, why Reason) {
	l.post(func() {
		switch {
		case c.slot < 0: // closed meanwhile
		case c.lag != nil:
			l.close(c, why)
		default:
			l.part(c, c.herd.format.AppendEnded(nil, why.String()), why)
		}
	})
}
