package stream

// EndedBy is the ticket of a consumer that somebody may end from outside. bind is called
// once it is served, with what ends its stream for a reason, which a consumer that is up
// to date is told. That does not wait, and may be called at any time.
func (t Ticket) EndedBy(bind func(end func(Reason))) Ticket {
	t.endedBy = bind
	return t
}

// served is called when the loop has the consumer.
func (t Ticket) served(c *consumer, l *loop) {
	if t.endedBy != nil {
		t.endedBy(func(why Reason) { l.dismiss(c, why) })
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
