package stream

import (
	"time"

	"event-dispatcher/broker"
)

// sweep hands what is new to every herd, and returns how many events that was.
func (l *loop) sweep(now time.Time) int {
	events := 0
	for shard := range l.fronts {
		f := &l.fronts[shard]
		if len(f.herds) == 0 {
			continue
		}
		// Once more after a full segment: the next one may hold more.
		for range 2 {
			if !l.broker.Read(shard, &f.cursor, &l.batch, sweepBytes) {
				break
			}
			l.broadcast(shard, &l.batch, now)
			events += l.batch.Events
			l.batch.Release()
		}
	}
	if events > 0 {
		l.stats.sweeps.Add(1)
	}
	return events
}

// broadcast writes a batch to every member of the shard's herds.
func (l *loop) broadcast(shard int, b *broker.Batch, now time.Time) {
	whole := uint64(0)
	for _, h := range l.fronts[shard].herds {
		if len(h.members) > 0 {
			h.written = now
		}
		if b.Skipped > 0 { // the herd was lapped
			l.tellSkipped(h, shard, b)
		}
		if b.Events == 0 {
			continue
		}
		// Backwards, because whoever leaves is replaced by the last one.
		for k := len(h.members) - 1; k >= 0; k-- {
			c := h.members[k]
			n, ok := l.write(c, b.Bytes)
			switch {
			case !ok:
			case n == len(b.Bytes):
				whole++
			default:
				l.fallBehind(c, shard, b, n)
			}
		}
	}
	l.stats.delivery(b, whole, l.broker.Tick(time.Now()))
}

// tellSkipped writes the notice that comes before a batch to every member. A
// member that does not take it whole leaves the herd, at the start of the batch.
func (l *loop) tellSkipped(h *herd, shard int, b *broker.Batch) {
	notice := l.pool.options.appendSkipped(l.pool.options.Format, l.scratch[:0], b.Skipped)
	l.scratch = notice
	for k := len(h.members) - 1; k >= 0; k-- {
		c := h.members[k]
		c.skipped += b.Skipped
		l.stats.skipped.Add(b.Skipped)
		if l.tell(c, notice); c.lag != nil && b.Events > 0 {
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
	l.stats.bytes.Add(uint64(n))
	if n < len(p) {
		l.leaveHerd(c, p[n:])
		return false
	}
	return true
}

// fallBehind takes c, whose socket took n bytes of the batch, out of the herd.
func (l *loop) fallBehind(c *consumer, shard int, b *broker.Batch, n int) {
	cursor, rest, at := l.cut(b, n)
	l.leaveHerd(c, rest)
	c.stand(shard, cursor)
	c.lag.event, c.lag.at = len(rest) > 0, at
}

// cut counts the events of the batch that went out with its first n bytes, and
// returns the cursor to go on at, and the rest and publish time of the event that
// was cut, which that cursor has passed (invariant 1).
func (l *loop) cut(b *broker.Batch, n int) (cursor broker.Cursor, rest []byte, at broker.Tick) {
	events, partial := b.Cut(n)
	l.stats.bytes.Add(uint64(n))
	if events > 0 {
		l.stats.delivered.Add(uint64(events))
		l.stats.lag.observe(uint64(b.Events), 1)
		l.stats.latencies(b, events, 1, l.broker.Tick(time.Now()))
	}
	if partial > 0 {
		rest, at = b.Event(events)[partial:], b.At(events)
		events++
	}
	return b.Cursor(events), rest, at
}

// leaveHerd makes c a laggard that stands where its herd does and is to be
// written rest first, which is copied.
func (l *loop) leaveHerd(c *consumer, rest []byte) {
	c.herd.leave(c)
	c.herd.lagging++
	c.lag = &lag{
		cursors:  l.cursors(c.herd),
		rest:     append([]byte(nil), rest...),
		progress: time.Now(),
	}
	l.stats.lagging.Add(1)
}

// serveReady gives laggards whose socket may take bytes a turn, one after the
// other and for about the given time. It reports whether there is more to do at
// once: one of them has more to write, or had no turn.
func (l *loop) serveReady(now time.Time, atMost time.Duration) (more bool) {
	served := 0
	for end := len(l.ready); served < end; served++ { // who has more queues up behind end
		if served > 0 && time.Since(now) > atMost {
			more = true
			break
		}
		c := l.ready[served]
		if c.lag == nil || !c.lag.queued {
			continue // closed
		}
		c.lag.queued = false
		switch l.catchUp(c, now) {
		case outOfTurn:
			l.makeReady(c)
			more = true
		case ahead:
			l.makeReady(c)
		}
	}
	left := copy(l.ready, l.ready[served:])
	clear(l.ready[left:]) // do not keep the closed ones
	l.ready = l.ready[:left]
	return more
}

type turn int

const (
	done      turn = iota // in the herd, closed, or waiting for its socket
	outOfTurn             // has more to write
	ahead                 // has read more than its herd: wait for the herd
)

// catchUp writes what a laggard is behind, at most turnBytes of it.
func (l *loop) catchUp(c *consumer, now time.Time) turn {
	g, h := c.lag, c.herd
	for budget := turnBytes; ; {
		if len(g.rest) > 0 {
			n, ok := l.write(c, g.rest)
			if !ok {
				return done
			}
			if n > 0 {
				g.progress = now
				l.stats.bytes.Add(uint64(n))
			}
			if g.rest = g.rest[n:]; len(g.rest) > 0 {
				return done
			}
			g.rest = nil
			if g.event {
				g.event = false
				l.stats.delivered.Add(1)
				l.stats.latency.observe(uint64(l.broker.Tick(time.Now()).Since(g.at)), 1)
			}
		}
		if g.leaving {
			l.close(c, ReasonDrained)
			return done
		}
		if g.rest = c.link.take(); len(g.rest) > 0 {
			continue
		}
		if budget <= 0 {
			return outOfTurn
		}
		i := l.nextShard(c)
		if i < 0 {
			break
		}
		if !l.broker.Read(h.shards[i], &g.cursors[i], &l.batch, budget) {
			break
		}
		n, ok := l.serveBatch(c, i, &l.batch, now)
		l.batch.Release()
		if !ok {
			return done
		}
		budget -= n
	}
	if !l.caughtUp(c) {
		return ahead
	}
	c.lag = nil
	l.stats.lagging.Add(-1)
	h.join(c)
	return done
}

// nextShard is the place of the first shard in which c is behind its herd, or -1.
func (l *loop) nextShard(c *consumer) int {
	for i, shard := range c.herd.shards {
		if c.lag.cursors[i].Behind(l.fronts[shard].cursor) > 0 {
			return i
		}
	}
	return -1
}

// caughtUp reports whether c stands where its herd does.
func (l *loop) caughtUp(c *consumer) bool {
	for i, shard := range c.herd.shards {
		if c.lag.cursors[i].Behind(l.fronts[shard].cursor) != 0 {
			return false
		}
	}
	return true
}

// serveBatch writes a batch of the laggard's i-th shard, and returns how many
// bytes went out and whether its socket may take more.
func (l *loop) serveBatch(c *consumer, i int, b *broker.Batch, now time.Time) (int, bool) {
	g := c.lag
	if b.Skipped > 0 {
		// The notice goes out first, and whole; then the batch is read again.
		c.skipped += b.Skipped
		l.stats.skipped.Add(b.Skipped)
		g.rest = l.pool.options.appendSkipped(l.pool.options.Format, nil, b.Skipped)
		if b.Events > 0 {
			g.cursors[i] = b.Cursor(0)
		}
		return 0, true
	}
	goal := l.fronts[c.herd.shards[i]].cursor
	if behind := b.Cursor(0).Behind(goal); int64(b.Events) > behind { // invariant 2
		b.Truncate(int(behind))
		g.cursors[i] = b.Cursor(b.Events)
	}
	n, ok := l.write(c, b.Bytes)
	if !ok {
		return 0, false
	}
	if n > 0 {
		g.progress = now
	}
	if n == len(b.Bytes) {
		l.stats.delivery(b, 1, l.broker.Tick(time.Now()))
		return n, true
	}
	var rest []byte
	g.cursors[i], rest, g.at = l.cut(b, n)
	g.rest = append([]byte(nil), rest...)
	g.event = len(rest) > 0
	return n, false
}
