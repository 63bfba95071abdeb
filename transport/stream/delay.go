package stream

import "time"

const (
	// delayedEvents is how many events a group that may be late waits for at most:
	// by then a write is as large as pays.
	delayedEvents = 128
	// delayTick is how often the loop looks whether so many have come.
	delayTick = 10 * time.Millisecond
)

// groupFor is the group of the herd of a view.
func (l *loop) groupFor(want *wanted) *group {
	delay := want.delay()
	switch {
	case want.view.Pace.Every > 0:
		return &l.holding
	case delay == 0:
		return &l.live
	}
	for _, g := range l.delayed {
		if g.delay == delay {
			return g
		}
	}
	g := &group{delay: delay, fronts: make([]front, len(l.live.fronts))}
	l.delayed = append(l.delayed, g)
	return g
}

// sweepDelayed sweeps the groups whose time has come, or that have enough. It
// reports whether there is more to do at once.
func (l *loop) sweepDelayed(now time.Time) (more bool) {
	// All groups together have the time of a turn. Each turn begins at another one.
	begin, n, swept := time.Now(), len(l.delayed), false
	for i := range n {
		g := l.delayed[(int(l.turn%uint64(n))+i)%n]
		switch {
		case len(g.herds) == 0 || !g.pending(l.broker):
			g.due = time.Time{}
			continue
		case g.due.IsZero():
			g.due = now.Add(g.delay)
		}
		if l.drainer == nil && now.Before(g.due) && !g.hasMany(l.broker) {
			continue
		}
		if swept && time.Since(begin) > l.pool.options.sweepTime {
			more = true
			continue
		}
		swept = true
		l.sweep(g, begin, now)
		l.recall(g)
		if g.pending(l.broker) {
			more = true // and it is still due
		} else {
			g.due = time.Time{}
		}
	}
	return more
}

// recall queues the laggards that waited for the group's front to move.
func (l *loop) recall(g *group) {
	for i, c := range g.ahead {
		if c.lag != nil && c.lag.queued { // neither closed nor closed and reused
			l.queue(c)
		}
		g.ahead[i] = nil
	}
	g.ahead = g.ahead[:0]
}

// untilDelayed is how long the loop may sleep before a delayed group needs a sweep or a
// conflated herd a release, at most limit (negative: for ever). listen says whether a
// publish must wake the loop.
func (l *loop) untilDelayed(now time.Time, limit time.Duration) (d time.Duration, listen bool) {
	d = limit
	for _, g := range l.delayed {
		switch {
		case len(g.herds) == 0:
		case g.due.IsZero():
			listen = true
		default:
			if until := max(min(g.due.Sub(now), delayTick), 0); d < 0 || until < d {
				d = until
			}
		}
	}
	for _, h := range l.conflated {
		if f := h.conflation; len(f.held) > 0 {
			if until := max(f.due.Sub(now), 0); d < 0 || until < d {
				d = until
			}
		}
	}
	for _, h := range l.packed {
		if p := h.packer; p.plain > 0 {
			if until := max(p.due.Sub(now), 0); d < 0 || until < d {
				d = until
			}
		}
	}
	return d, listen
}
