package stream

import "time"

// firstBytes is how many bytes of the ring are read at most for a laggard alone before it queues
// with others for whom there is much to read.
const firstBytes = 32 << 10

// makeReady gives c, whose socket may take bytes, its turn.
func (l *loop) makeReady(c *consumer) {
	if !c.lag.queued {
		l.queue(c)
	}
}

// queue puts c at the end of its queue. A turn in which each event is read for one consumer
// alone can take a hundred times as long as one that only writes. So those who are only written
// have a queue of their own, and of the others those for whom much has been
// read since they fell behind: nobody whose stream begins, or who is
// not far behind, waits for them.
func (l *loop) queue(c *consumer) {
	c.lag.queued = true
	switch {
	case !c.herd.alone():
		l.ready = append(l.ready, c)
	case c.lag.alone < firstBytes:
		l.starting = append(l.starting, c)
	default:
		l.reading = append(l.reading, c)
	}
}

// serveReady gives laggards whose socket may take bytes a turn, one after the
// other, and those of each queue for about the given time: first those whose turn is only to write,
// then short ones. It reports whether there is more to do at once: one of them has more to write, or had no turn.
func (l *loop) serveReady(now time.Time, atMost time.Duration) (more bool) {
	for _, q := range []struct {
		queue *[]*consumer
		bytes int
	}{{&l.ready, turnBytes}, {&l.starting, firstBytes}, {&l.reading, turnBytes}} {
		if len(*q.queue) > 0 {
			more = l.serve(q.queue, q.bytes, now, atMost) || more
			now = time.Now()
		}
	}
	return more
}

// serve is serveReady for one queue, in which turns are of so many bytes.
func (l *loop) serve(queue *[]*consumer, bytes int, now time.Time, atMost time.Duration) (more bool) {
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
		switch l.catchUp(c, now, bytes) {
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
