package stream

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// sweepTime is how long a turn may take to match the events of a group. What is left over
// comes in the next turn: sockets, orders and other groups do not wait for hundreds of views
// and thousands of small events.
const sweepTime = 20 * time.Millisecond

// builtEvents is how many events a sweep builds into something else, for all herds together that
// take every one: each takes some 0.2 µs. Of a batch it builds leastBuilt in any case.
const (
	builtEvents = 100_000
	leastBuilt  = 128
)

// sweep hands what is new to every herd of a group, as much as a turn that began to match then
// may, and returns how many events that was, and whether there is more to do at once.
func (l *loop) sweep(g *group, begin, now time.Time) (events int, more bool) {
	left := builtEvents
	for i := range g.fronts {
		shard := (g.first + i) % len(g.fronts)
		f := &g.fronts[shard]
		if f.herds == 0 {
			continue
		}
		// Once more after a full segment: the next one may hold more.
		for range 2 {
			if more || !l.broker.Read(shard, &f.cursor, &l.batch, sweepBytes) {
				break
			}
			all := l.batch.Events
			built := f.building()
			if most := max(leastBuilt, left/max(1, built)); built > 0 && all > most {
				l.batch.Truncate(most)
				f.cursor = l.batch.Cursor(most)
			}
			n := l.broadcast(g, shard, &l.batch, begin, now)
			left -= n * built
			events, more = events+n, n < all || left <= 0
			l.batch.Release()
		}
		if more {
			g.first = (shard + 1) % len(g.fronts) // the next turn begins behind it
			break
		}
	}
	if events > 0 {
		l.stats.sweeps.Add(1)
	}
	return events, more
}

// building is for how many herds that take every event it is built into something else now. Those
// that shape have a bound of their own.
func (f *front) building() (herds int) {
	for _, h := range f.built {
		if h.hasReaders() && (h.packer != nil || h.shape == nil) {
			herds++
		}
	}
	return herds
}

// broadcast writes a batch to every member of the shard's herds, and returns how many of its
// events: where some select it may take too long to match all. The front stands behind those
// that it returns.
func (l *loop) broadcast(g *group, shard int, b *broker.Batch, begin, now time.Time) int {
	f := &g.fronts[shard]
	if b.Skipped > 0 { // the group was lapped
		for _, h := range g.herds {
			if h.want.view.Shards&(1<<shard) != 0 {
				l.tellSkipped(h, shard, b, now)
			}
		}
	}
	if b.Events == 0 {
		return 0
	}
	if g.matcher.Len() > 0 {
		if n := l.sweepSelected(g, shard, b, begin, now); n < b.Events {
			l.some = b.Part(0, n)
			b = &l.some
		}
	}
	for _, h := range f.raw {
		l.deliver(h, shard, b, nil, now)
	}
	g.shaper.Begin(b.Events)
	for _, h := range f.built {
		l.deliver(h, shard, b, nil, now)
	}
	return b.Events
}

// sweepSelected writes a batch to the herds that select, part by part, and returns how many
// events that was. The front moves with the parts: who closes a block counts what it has
// passed.
func (l *loop) sweepSelected(g *group, shard int, b *broker.Batch, begin, now time.Time) int {
	for i := 0; i < b.Events; {
		if i > 0 && time.Since(begin) > l.pool.options.sweepTime {
			return i
		}
		end := min(i+max(1, g.pass), b.Events) // the first one finds out how long it takes
		l.some = b.Part(i, end)
		g.fronts[shard].cursor = b.Cursor(end)
		l.deliverSelected(g, shard, &l.some, now)
		i = end
	}
	return b.Events
}

// selectedEvents is how many events are matched, at most, before what was picked of them is
// written. A herd keeps room for as many places, and there may be thousands of herds: a KiB
// each.
const selectedEvents = 256

// deliverSelected finds in one pass over the batch what each herd gets that selects.
// A herd that gets nothing is not touched.
func (l *loop) deliverSelected(g *group, shard int, b *broker.Batch, now time.Time) {
	begin := time.Now()
	g.touched = g.touched[:0]
	for i := range b.Events {
		g.ids = g.matcher.Match(wire.JSON(b.Event(i)), g.ids[:0])
		for _, id := range g.ids {
			for _, h := range g.byID[id].herds {
				if h.want.view.Shards&(1<<shard) == 0 {
					continue
				}
				if len(h.picked) == 0 {
					g.touched = append(g.touched, h)
				}
				h.picked = append(h.picked, int32(i))
			}
		}
	}
	g.learn(b.Events, time.Since(begin), &l.pool.options)
	// What all who select are passed over, less what some of them get.
	passedOver := b.Events * g.fronts[shard].selecting
	for _, h := range g.touched {
		if h.packer != nil {
			continue
		}
		passedOver -= len(h.picked) * len(h.members)
	}
	l.over += uint64(passedOver)
	g.shaper.Begin(b.Events)
	for i, h := range g.touched {
		l.deliver(h, shard, b, h.picked, now)
		h.picked = h.picked[:0]
		g.touched[i] = nil
	}
}

// learn sets how many events the next pass matches, so that it takes an eighth of a turn at
// most: how long that is depends on the selections and on the events.
func (g *group) learn(events int, took time.Duration, o *Options) {
	switch most := o.sweepTime / 8; {
	case took > most:
		g.pass = max(1, int(time.Duration(events)*most/took))
	case events >= g.pass:
		g.pass = min(2*events, o.pass)
	}
}

// deliver writes what a herd gets of a batch to its members.
func (l *loop) deliver(h *herd, shard int, b *broker.Batch, picked []int32, now time.Time) {
	if h.packer != nil {
		l.pack(h, shard, b, picked, now)
		return
	}
	if len(h.members) == 0 {
		return
	}
	if h.shape != nil && !l.mayShape(h, b, picked) {
		l.setBack(h, shard, b, picked)
		return
	}
	h.written = now
	t := l.build(h, shard, b, picked, nil)
	if h.shape != nil { // and what was read for it, and those behind it
		l.shaping.take(l.turn, len(t.bytes)/len(h.members)+h.group.shaper.Read(), shapeBytes)
	}
	whole := 0
	// Backwards, because a member that leaves is replaced by the last one.
	for k := len(h.members) - 1; k >= 0; k-- {
		c := h.members[k]
		n, ok := l.write(c, t.bytes)
		switch {
		case !ok:
		case n == len(t.bytes):
			whole++
		default:
			l.fallBehind(c, shard, b, t, n)
		}
	}
	h.delivered += uint64(t.events)
	l.stats.delivery(h.format.Kind, b, t, whole, l.broker.Tick(time.Now()))
}

// shapeBytes is how much a turn shapes for herds: what it reads, and, a herd's share divided among
// its members, what they get and what each event costs besides. Beyond it those who want shapes are written one
// after the other in turns of their own, so that many of them cannot hold up who takes events as they are.
const shapeBytes = 4 << 20

// mayShape reports whether there is still room in this turn to shape what a herd gets of
// a batch, and takes it, but for what comes out.
func (l *loop) mayShape(h *herd, b *broker.Batch, picked []int32) bool {
	events := b.Events
	if h.sel != nil {
		events = len(picked)
	}
	return l.shaping.take(l.turn, h.each*events/len(h.members), shapeBytes)
}

// An allowance is for something of which a turn may do so many bytes.
type allowance struct {
	turn  uint64
	bytes int // of that turn
}

// take reports whether a turn may do n more, if most is how many it may. The first is always
// allowed.
func (a *allowance) take(turn uint64, n, most int) bool {
	if a.turn != turn {
		*a = allowance{turn: turn}
	}
	a.bytes += n
	return a.bytes <= most || a.bytes == n
}

// setBack makes the members of a herd laggards that stand before a batch.
func (l *loop) setBack(h *herd, shard int, b *broker.Batch, picked []int32) {
	if h.sel != nil { // deliverSelected took them for some that take all
		l.over -= uint64((b.Events - len(picked)) * len(h.members))
	}
	for k := len(h.members) - 1; k >= 0; k-- {
		c := h.members[k]
		l.makeLaggard(c, nil)
		c.stand(shard, b.Cursor(0))
		l.makeReady(c)
	}
}

// tellSkipped writes the notice that comes before a batch to every member. A
// member that does not take it whole leaves the herd, at the start of the batch.
func (l *loop) tellSkipped(h *herd, shard int, b *broker.Batch, now time.Time) {
	if h.packer != nil {
		l.packSkipped(h, b.Skipped, now)
		return
	}
	if len(h.members) == 0 {
		return
	}
	h.written = now
	l.notice = l.pool.options.appendSkipped(h.format, l.notice[:0], b.Skipped)
	for k := len(h.members) - 1; k >= 0; k-- {
		c := h.members[k]
		c.skipped += b.Skipped
		c.mark += b.Skipped
		l.stats.skipped.Add(b.Skipped)
		if l.tell(c, l.notice) {
			continue
		}
		if c.lag != nil && b.Events > 0 {
			c.stand(shard, b.Cursor(0))
		}
	}
}

// tell writes p, which is no event, to a member, and reports whether its socket
// took all. If it did not, the consumer leaves the herd or is closed.
func (l *loop) tell(c *consumer, p []byte) bool {
	n, ok := l.write(c, p)
	if !ok {
		return false
	}
	l.stats.wires[c.herd.format.Kind].bytes.Add(uint64(n))
	if n < len(p) {
		l.leaveHerd(c, p[n:])
		return false
	}
	return true
}

// fallBehind takes c, whose socket took n bytes of a take, out of the herd.
func (l *loop) fallBehind(c *consumer, shard int, b *broker.Batch, t *take, n int) {
	if c.herd.sel != nil { // deliverSelected took it for one that takes all
		l.over -= uint64(b.Events - t.events)
	}
	cut := l.cut(c.herd, b, t, n)
	l.makeLaggard(c, nil)
	l.standAt(c, shard, b, cut)
	l.keep(c, c.herd.eventKey(shard, b, max(cut.passed-1, 0), 1), cut.done, cut.whole, nil)
}

// cut is take.cut, and counts what went out.
func (l *loop) cut(h *herd, b *broker.Batch, t *take, n int) cut {
	c := t.cut(b, n)
	wire := &l.stats.wires[h.format.Kind]
	wire.bytes.Add(uint64(n))
	if c.delivered > 0 {
		wire.delivered.Add(uint64(c.delivered))
		l.stats.lag.observe(uint64(t.events), 1)
		l.stats.latencies(b, t, c.delivered, 1, l.broker.Tick(time.Now()))
	}
	if h.sel != nil {
		over := c.passed - c.delivered
		if c.event {
			over--
		}
		l.over += uint64(over)
	}
	return c
}

// standAt puts a laggard where its socket stopped in a batch.
func (l *loop) standAt(c *consumer, shard int, b *broker.Batch, cut cut) {
	c.delivered += uint64(cut.delivered)
	c.stand(shard, b.Cursor(cut.passed))
	c.lag.event, c.lag.at = cut.event, cut.at
}

// leaveHerd makes c a laggard. What is held back for its herd goes out without it.
func (l *loop) leaveHerd(c *consumer, rest []byte) {
	held := uint64(0)
	if f := c.herd.conflation; f != nil {
		l.countPassedOver(c)
		held = f.waiting(c)
	}
	l.makeLaggard(c, rest)
	l.skip(c, int(held))
}

// makeLaggard makes c a laggard that stands where its herd does and is to be
// written rest first, which is copied.
func (l *loop) makeLaggard(c *consumer, rest []byte) {
	c.herd.leave(c)
	c.herd.lagging++
	c.lag = &lag{
		cursors:  c.herd.cursors(),
		rest:     append([]byte(nil), rest...),
		progress: time.Now(),
		former:   true,
	}
	if f := c.herd.conflation; f != nil {
		c.lag.number = f.next
	}
	l.stats.lagging.Add(1)
}
