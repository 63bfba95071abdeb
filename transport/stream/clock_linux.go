package stream

import (
	"time"

	"event-dispatcher/broker"
)

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
	l.forgetHerds()
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
		for k := len(h.members) - 1; k >= 0; k-- {
			l.tell(h.members[k], l.pool.options.keepAlive(l.pool.options.Format))
		}
	}
}

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
			l.keepWaiting(g, now)
			continue
		}
		// A slow one may take long to make room for more, but acknowledges.
		if left := unacknowledged(int(c.fd)); left != g.unacked {
			if left < g.unacked {
				g.progress = now
			}
			g.unacked = left
		}
		switch quiet := now.Sub(g.progress); {
		case quiet >= l.pool.options.Stall:
			l.close(c, ReasonStalled)
		case quiet >= time.Second:
			// A write can also fail for want of kernel memory, and then no
			// event of the socket says when to try again.
			l.makeReady(c)
		}
	}
}

// keepWaiting has a laggard that waits for the log get its keep-alives.
func (l *loop) keepWaiting(g *lag, now time.Time) {
	after := l.pool.options.KeepAlive
	if after > 0 && l.drainer == nil && len(g.rest) == 0 && now.Sub(g.progress) >= after-l.pool.options.clockTick() {
		g.rest = l.pool.options.keepAlive(l.pool.options.Format) // shared, but only ever resliced
	}
}

// A drainer ends the loop's streams: see [Pool.Drain].
type drainer struct {
	plan    drainPlan
	from    time.Time       // when ends begin: the silence is over
	goals   []broker.Cursor // by shard, the end of its log when ends began
	total   int             // consumers when ends began
	ended   int             // of these, how many were told to leave
	next    int             // slot to look at next
	started bool
	over    bool // there were no consumers left; any that come now are late
	done    chan struct{}
}

func (l *loop) drain(plan drainPlan) {
	d := &drainer{plan: plan, done: make(chan struct{})}
	l.post(func() {
		d.from = time.Now().Add(plan.silence)
		l.drainer = d
	})
	select {
	case <-d.done:
	case <-l.ended:
	}
}

// step ends as many streams as the plan wants by now.
func (d *drainer) step(l *loop, now time.Time) {
	if len(l.slots) == len(l.free) {
		if !d.over {
			d.over = true
			close(d.done)
		}
		return
	}
	select {
	case <-d.plan.deadline:
		if d.over { // who comes late is ended, or cut by stop
			break
		}
		for _, c := range l.slots {
			if c != nil {
				l.close(c, ReasonDeadline)
			}
		}
		return
	default:
	}
	if now.Before(d.from) {
		return
	}
	if !d.started {
		d.started, d.total = true, len(l.slots)-len(l.free)
		d.goals = l.broker.Head(l.broker.AllShards())
	}
	due := d.total
	if d.plan.window > 0 {
		due = min(due, 1+int(float64(d.total)*float64(now.Sub(d.from))/float64(d.plan.window)))
	}
	for ; d.ended < due && d.next < len(l.slots); d.next++ {
		if c := l.slots[d.next]; c != nil {
			d.ended++
			d.farewell(l, c)
		}
	}
	if d.ended >= d.total || d.next >= len(l.slots) {
		// Laggards leave as soon as they have caught up with the herd.
		for _, c := range l.slots {
			if c != nil && c.lag == nil {
				d.farewell(l, c)
			}
		}
	}
}

// reached reports whether a herd has got everything that was published before
// ends began, be it behind a hole. What other instances still publish does not
// keep a stream open.
func (d *drainer) reached(l *loop, h *herd) bool {
	for _, shard := range h.shards {
		if l.fronts[shard].cursor.Behind(d.goals[shard]) > 0 {
			return false
		}
	}
	return true
}

// farewell ends a stream cleanly if its consumer is up to date. A laggard is
// asked again when it has joined the herd.
func (d *drainer) farewell(l *loop, c *consumer) {
	if c.lag != nil || !d.reached(l, c.herd) {
		return
	}
	if l.tell(c, l.pool.farewell()) {
		l.close(c, ReasonDrained)
	} else if c.lag != nil {
		c.lag.leaving = true
	}
}
