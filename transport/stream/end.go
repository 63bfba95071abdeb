package stream

// EndedBy returns a ticket whose stream can be ended from outside. Once the consumer is
// served, bind gets a function that ends its stream for a reason. That function never waits
// and may be called at any time; a consumer that is up to date is told the reason.
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
