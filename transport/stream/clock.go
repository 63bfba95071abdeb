package stream

import "time"

// onClock does what time asks for: the drain, and once per tick of the clock
// keep-alives and stalled consumers.
func (l *loop) onClock(now time.Time) {
	if l.drainer != nil {
		l.drainer.step(l, now)
	}
	if now.Sub(l.checked) < l.pool.options.clockTick() {
		return
	}
	l.checked = now
	if l.drainer == nil {
		l.keepAlive(now)
	}
	l.cutStalled(now)
	for _, g := range l.delayed { // those who wait may need a keep-alive
		l.recall(g)
	}
	for _, h := range l.packed {
		l.enterWaiting(h.packer)
	}
	for _, h := range l.conflated { // one that selects may have nothing to let go for long
		for _, c := range h.members {
			l.countPassedOver(c)
		}
	}
}

// keepAlive writes the keep-alive to every herd that got no bytes for that long.
func (l *loop) keepAlive(now time.Time) {
	after := l.pool.options.KeepAlive
	if after <= 0 {
		return
	}
	for _, h := range l.herds {
		if now.Sub(h.written) < after-l.pool.options.clockTick() { // early rather than late by a tick
			continue
		}
		h.written = now
		if h.packer != nil {
			if len(h.members) > 0 {
				h.packer.take(l.appendKeepAlive(h, nil), now)
				l.closeBlock(h, now)
			}
			continue
		}
		if len(h.members) == 0 {
			continue
		}
		l.notice = l.appendKeepAlive(h, l.notice[:0])
		for k := len(h.members) - 1; k >= 0; k-- {
			l.tell(h.members[k], l.notice)
		}
	}
}

// drainStall is the stall limit once all streams were told to end: one consumer that
// takes nothing is no reason to stay for the whole of a long limit.
const drainStall = 5 * time.Second

// stall is how long a consumer may take no byte.
func (l *loop) stall(now time.Time) time.Duration {
	if d := l.drainer; d != nil && now.After(d.from.Add(d.plan.window)) {
		return min(l.pool.options.Stall, l.pool.options.drainStall)
	}
	return l.pool.options.Stall
}

// hardPressed is the stall limit for a consumer for which something is kept, while more than
// half of -lag-bytes is in use.
const hardPressed = 5 * time.Second

// cutStalled closes consumers that made no progress for the stall limit. Members
// of a herd have taken everything there was.
func (l *loop) cutStalled(now time.Time) {
	if l.stats.lagging.Load() == 0 {
		return
	}
	for _, c := range l.slots {
		if c == nil || c.lag == nil {
			continue
		}
		g := c.lag
		if g.queued { // waits for its turn, or has taken everything, too, and waits for a hole to be filled
			l.keepWaiting(c, now)
			continue
		}
		// A slow one may take long to make room for more, but acknowledges.
		if left := l.sockets.backlog(c); left != g.backlog {
			if left < g.backlog {
				g.progress = now
			}
			g.backlog = left
		}
		limit := l.stall(now)
		if g.piece != nil && l.stats.kept.Load() > l.keepMost/2 {
			limit = min(limit, l.pool.options.hardPressed)
		}
		switch quiet := now.Sub(g.progress); {
		case quiet >= limit:
			l.close(c, l.sockets.silence(c, quiet))
		case quiet >= time.Second:
			// A write can also fail for want of kernel memory, and then no
			// event of the socket says when to try again.
			l.makeReady(c)
		}
	}
}

// keepWaiting has a laggard that waits for the log get its keep-alives. One that reads blocks has
// some to come, and nothing may be between them.
func (l *loop) keepWaiting(c *consumer, now time.Time) {
	g, after := c.lag, l.pool.options.KeepAlive
	if after > 0 && l.drainer == nil && len(g.rest) == 0 && !g.packed && now.Sub(g.progress) >= after-l.pool.options.clockTick() {
		g.rest = l.alone(c, l.pool.options.keepAlive(c.herd.format)) // shared, but only ever resliced
	}
}
