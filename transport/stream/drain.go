package stream

import (
	"time"

	"event-dispatcher/broker"
)

// drainTick is how often a draining loop looks whom to end.
const drainTick = 5 * time.Millisecond

// A drainPlan is how streams end at shutdown.
type drainPlan struct {
	silence  time.Duration // first, no byte but events for this long
	window   time.Duration // then ends are spread over this long
	deadline <-chan struct{}
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

// drain ends all streams by plan and returns when none is left.
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
// ends began, even if it stands behind a hole. What other instances still publish does not
// keep a stream open. Nothing is held back, or in a compressor: in a drain both are
// emptied in the turn in which they are filled, before the clock.
func (d *drainer) reached(h *herd) bool {
	for _, shard := range h.want.shards {
		if h.at(shard).Behind(d.goals[shard]) > 0 {
			return false
		}
	}
	return true
}

// farewell ends a stream cleanly if its consumer is up to date. A laggard is
// asked again when it has joined the herd.
func (d *drainer) farewell(l *loop, c *consumer) {
	if c.lag != nil || !d.reached(c.herd) {
		return
	}
	low, high := d.retry(l, time.Now())
	l.part(c, c.herd.format.AppendFarewell(nil, Jitter(low, high)), ReasonDrained)
}

const (
	// comeBacks is how many consumers may come back in a second, at another instance
	// or at the one that follows.
	comeBacks = 1000
	// soon is how long who goes elsewhere waits at least, and follows how long, after
	// the window, a process takes that follows this one.
	soon    = 100 * time.Millisecond
	follows = time.Second
)

// retry is the range of times after which a consumer that leaves now should come back.
// Where another instance serves meanwhile, that is soon: the window has spread the ends
// already, and what is published until then is missed. Where none does, the address stays
// closed for the rest of the window.
func (d *drainer) retry(l *loop, now time.Time) (low, high time.Duration) {
	low = soon
	if !l.pool.options.Elsewhere {
		low = follows + max(0, d.from.Add(d.plan.window).Sub(now))
	}
	all := time.Duration(d.total * len(l.pool.loops))
	return low, low + max(time.Second, all*time.Second/comeBacks-d.plan.window)
}

// part ends a member's stream with a last notice. What its socket does not take now is
// written before the end; no event is any more.
func (l *loop) part(c *consumer, notice []byte, why Reason) {
	last := l.ending(c, notice)
	n, ok := l.write(c, last)
	if !ok {
		return
	}
	l.stats.wires[c.herd.format.Kind].bytes.Add(uint64(n))
	if n < len(last) {
		l.retire(c, last[n:], why)
		return
	}
	l.finish(c, why)
}

// ending is a last notice to a member, and the end of its stream.
func (l *loop) ending(c *consumer, notice []byte) []byte {
	f := c.herd.format
	if c.gzip == nil {
		return f.AppendEnd(notice)
	}
	l.settle(c, c.herd.packer.closed)
	return c.gzip.appendLast(nil, f, notice)
}

// finish closes a consumer that has been handed everything, as soon as none of it
// can be lost.
func (l *loop) finish(c *consumer, why Reason) {
	if l.sockets.flushed(c) {
		l.close(c, why)
		return
	}
	l.retire(c, nil, why)
}

// retire has a consumer leave as soon as its socket has taken rest, which is the last that it
// gets: no notice may be behind the end of a stream.
func (l *loop) retire(c *consumer, rest []byte, why Reason) {
	if c.lag == nil {
		if c.herd.conflation != nil {
			l.countPassedOver(c)
		}
		l.makeLaggard(c, rest)
	}
	c.lag.leaving, c.lag.why = true, why
}
