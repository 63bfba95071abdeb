package stream

import "time"

func (l *loop) makeReady(c *consumer) {
	if !c.lag.queued {
		l.queue(c)
	}
}

// queue puts c at the end of its queue. A turn in which each event is read for one consumer
// alone can take a hundred times as long as one that only writes, so there are two.
func (l *loop) queue(c *consumer) {
	c.lag.queued = true
	if h := c.herd; !h.raw || h.patient() {
		l.reading = append(l.reading, c)
	} else {
		l.ready = append(l.ready, c)
	}
}

// serveReady gives laggards whose socket may take bytes a turn, one after the
// other and for about the given time; first those for whom there is only to write, then
// the others. It reports whether there is more to do at once: one of them has more to
// write, or had no turn.
func (l *loop) serveReady(now time.Time, atMost time.Duration) (more bool) {
	if len(l.ready) > 0 {
		more = l.serve(&l.ready, now, atMost)
		now = time.Now()
	}
	if len(l.reading) > 0 {
		more = l.serve(&l.reading, now, atMost) || more
	}
	return more
}

func (l *loop) serve(queue *[]*consumer, now time.Time, atMost time.Duration) (more bool) {
	served := 0
	for end := len(*queue); served < end; served++ { // who has more queues up behind end
		if served > 0 && time.Since(now) > atMost {
			more = true
			break
		}
		c := (*queue)[served]
		if c.lag == nil || !c.lag.queued {
			continue // closed
		}
		c.lag.queued = false
		switch l.catchUp(c, now) {
		case outOfTurn:
			l.makeReady(c)
			more = true
		case ahead:
			if p := c.herd.packer; p != nil { // until the next block
				c.lag.queued = true
				p.waiting = append(p.waiting, c)
			} else if g := c.herd.group; g.delay > 0 { // its front may stand still for long
				c.lag.queued = true
				g.ahead = append(g.ahead, c)
			} else {
				l.makeReady(c)
			}
		}
	}
	q := *queue
	left := copy(q, q[served:])
	clear(q[left:]) // do not keep the closed ones
	*queue = q[:left]
	return more
}
