package stream

import (
	"slices"
	"time"
)

// add hands a consumer over, with its net.Conn. The loop owns both from then on,
// but for the net.Conn of a link.
func (l *loop) add(c *consumer, opening []byte) {
	if err := l.sockets.take(c); err != nil {
		c.slot = -1 // there is none to answer on, or to end
		l.pool.gone(c, ReasonError, 0)
		return
	}
	c.lag.rest = opening
	if !l.post(func() { l.adopt(c) }) {
		l.sockets.drop(c, ReasonDrained)
		l.pool.gone(c, ReasonDrained, 0)
	}
}

func (l *loop) adopt(c *consumer) {
	now := time.Now()
	if n := len(l.free); n > 0 {
		c.slot, l.free = l.free[n-1], l.free[:n-1]
		l.slots[c.slot] = c
	} else {
		c.slot = int32(len(l.slots))
		l.slots = append(l.slots, c)
	}
	c.herd, c.place = l.herds[c.want], -1
	if c.herd == nil {
		c.herd = l.groupFor(c.want).follow(c.want, c.lag.cursors, now)
		l.herds[c.want] = c.herd
		if c.herd.conflation != nil {
			l.conflated = append(l.conflated, c.herd)
			l.shareKey(c.herd.conflation)
		}
		if c.herd.packer != nil {
			l.packed = append(l.packed, c.herd)
		}
	}
	c.herd.lagging++
	c.lag.progress = now
	l.stats.lagging.Add(1)
	if err := l.sockets.watch(c); err != nil {
		l.close(c, ReasonError)
		return
	}
	l.makeReady(c)
}

// forgetHerds lets go of the herds that nobody needs any more, for some time: the more views
// there are, the longer it takes. It reports whether there is more to do at once. It comes at
// the end of a turn, where nobody goes through herds.
func (l *loop) forgetHerds() (more bool) {
	if len(l.deserted) == 0 {
		return false
	}
	begin, done := time.Now(), 0
	for _, h := range l.deserted {
		if done++; l.herds[h.want] == h && h.deserted() { // nobody has come back
			l.forget(h)
		}
		if time.Since(begin) > l.pool.options.sweepTime {
			break
		}
	}
	l.deserted = slices.Delete(l.deserted, 0, done)
	return len(l.deserted) > 0
}

func (l *loop) forget(h *herd) {
	h.group.forget(h)
	l.recall(h.group) // those who waited are closed, or of another herd
	delete(l.herds, h.want)
	if i := slices.Index(l.conflated, h); i >= 0 {
		l.stats.held.Add(-int64(h.conflation.counted))
		l.keptLess()
		l.unshareKey(h.conflation)
		l.conflated = slices.Delete(l.conflated, i, i+1)
	}
	if i := slices.Index(l.packed, h); i >= 0 {
		h.packer.release()
		l.packed = slices.Delete(l.packed, i, i+1)
	}
}

// onSocket is called by sockets.wait for a socket with news: it takes bytes again, or its
// connection is over.
func (l *loop) onSocket(c *consumer, gone bool, why Reason) {
	switch {
	case gone:
		l.close(c, why)
	case c.lag != nil:
		l.makeReady(c)
	}
}

// write hands p to the socket. It returns how much was taken; a consumer whose
// socket failed is closed, and false returned.
func (l *loop) write(c *consumer, p []byte) (int, bool) {
	n, why, ok := l.sockets.send(c, p)
	if !ok {
		l.close(c, why)
	}
	return n, ok
}

// close ends a consumer: the only place where one is closed (invariant 5).
func (l *loop) close(c *consumer, why Reason) {
	if f := c.herd.conflation; f != nil {
		delete(f.slow, c)
	}
	if c.lag == nil {
		if c.herd.conflation != nil {
			l.countPassedOver(c)
		}
		c.herd.leave(c)
	} else {
		c.herd.lagging--
		l.stats.lagging.Add(-1)
		c.lag.queued = false // serveReady skips it
		l.giveBack(c)
		if c.lag.packed {
			c.herd.packer.lagging--
		}
		c.lag.rest, c.lag.share = nil, nil // whoever still has c keeps nothing by it
	}
	if c.herd.deserted() {
		l.deserted = append(l.deserted, c.herd)
	}
	l.slots[c.slot] = nil
	l.free = append(l.free, c.slot)
	c.slot = -1
	l.sockets.drop(c, why)
	l.pool.gone(c, why, c.skipped)
}
