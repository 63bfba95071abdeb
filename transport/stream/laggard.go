package stream

import (
	"time"

	"event-dispatcher/broker"
)

func (l *loop) makeReady(c *consumer) {
	if !c.lag.queued {
		c.lag.queued = true
		l.ready = append(l.ready, c)
	}
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
	wire := &l.stats.wires[h.format.Kind]
	most := turnBytes
	if h.packer != nil {
		most = packedRead
	}
	for budget := turnBytes; ; {
		if len(g.rest) > 0 {
			n, ok := l.write(c, g.rest)
			if !ok {
				return done
			}
			if n > 0 {
				g.progress = now
				wire.bytes.Add(uint64(n))
			}
			g.rest = g.rest[n:]
			if g.share != nil {
				l.countShare(c, g.share, len(g.share.bytes)-len(g.rest))
			}
			if len(g.rest) > 0 {
				return done
			}
			g.rest, g.share = nil, nil
			if g.block != nil {
				l.tookBlock(c)
			}
			if g.batch > 0 {
				c.delivered += uint64(g.batch)
				wire.delivered.Add(uint64(g.batch))
				l.stats.latency.observe(uint64(l.broker.Tick(time.Now()).Since(g.at)), uint64(g.batch))
				g.batch = 0
			}
			if g.event {
				g.event = false
				c.delivered++
				wire.delivered.Add(1)
				l.stats.latency.observe(uint64(l.broker.Tick(time.Now()).Since(g.at)), 1)
			}
		}
		if g.leaving {
			if l.sockets.flushed(c) {
				l.close(c, g.why)
			}
			return done
		}
		if g.rest = c.link.take(); len(g.rest) > 0 {
			continue
		}
		if h.conflation != nil && g.former {
			if l.rejoin(c); len(g.rest) > 0 {
				continue
			}
		}
		if budget <= 0 {
			return outOfTurn
		}
		if g.packed {
			if l.nextBlock(c) {
				l.stats.lagging.Add(-1)
				return done
			}
			budget -= len(g.rest)
			continue
		}
		i := l.nextShard(c)
		if i < 0 {
			break
		}
		if !l.broker.Read(h.want.shards[i], &g.cursors[i], &l.batch, min(budget, most)) {
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
	if h.packer == nil {
		h.join(c)
	} else if !l.enter(c) {
		return ahead
	}
	l.stats.lagging.Add(-1)
	return done
}

// nextShard is the place of the first shard in which c is behind its herd, or -1.
func (l *loop) nextShard(c *consumer) int {
	for i := range c.want.shards {
		if c.lag.cursors[i].Behind(c.herd.goal(i)) > 0 {
			return i
		}
	}
	return -1
}

// caughtUp reports whether c stands where its herd does, or between that and where the
// herd last let go of what it holds.
func (l *loop) caughtUp(c *consumer) bool {
	for i, shard := range c.want.shards {
		behind := c.lag.cursors[i].Behind(c.herd.group.fronts[shard].cursor)
		if behind < 0 || behind > 0 && (c.herd.conflation == nil || c.lag.cursors[i].Behind(c.herd.goal(i)) > 0) {
			return false
		}
	}
	return true
}

// serveBatch writes what a laggard gets of a batch of its i-th shard, and returns
// how many bytes of the ring that took and whether its socket may take more.
func (l *loop) serveBatch(c *consumer, i int, b *broker.Batch, now time.Time) (int, bool) {
	g, h, shard := c.lag, c.herd, c.want.shards[i]
	if b.Skipped > 0 {
		// The notice goes out first, and whole; then the batch is read again.
		c.skipped += b.Skipped
		l.stats.skipped.Add(b.Skipped)
		g.rest = l.alone(c, l.pool.options.appendSkipped(h.format, nil, b.Skipped))
		if b.Events > 0 {
			g.cursors[i] = b.Cursor(0)
		}
		return 0, true
	}
	if behind := b.Cursor(0).Behind(h.goal(i)); int64(b.Events) > behind { // invariant 2
		b.Truncate(int(behind))
		g.cursors[i] = b.Cursor(b.Events)
	}
	t := l.build(h, shard, b, l.pick(h, b), g.cursors)
	if c.gzip != nil {
		l.serveAlone(c, b, t, now)
		return len(b.Bytes), true
	}
	n := 0
	if len(t.bytes) > 0 {
		var ok bool
		if n, ok = l.write(c, t.bytes); !ok {
			return 0, false
		}
	}
	if n > 0 || len(t.bytes) == 0 {
		g.progress = now
	}
	if n == len(t.bytes) {
		c.delivered += uint64(t.events)
		l.stats.delivery(h.format.Kind, b, t, 1, l.broker.Tick(time.Now()))
		if h.sel != nil {
			l.stats.passedOver.Add(uint64(b.Events - t.events))
		}
		return len(b.Bytes), true
	}
	cut := l.cut(h, b, t, n)
	g.rest = append([]byte(nil), cut.rest...)
	l.standAt(c, shard, b, cut)
	return n, false
}

// alone is what p, which is for c only and stands between two blocks if c's stream is
// compressed, becomes on its connection.
func (l *loop) alone(c *consumer, p []byte) []byte {
	if c.gzip == nil {
		return p
	}
	return c.gzip.appendPrivate(nil, c.herd.format, p)
}

// serveAlone has a consumer of a compressed stream, who is not up to date, written a
// take next.
func (l *loop) serveAlone(c *consumer, b *broker.Batch, t *take, now time.Time) {
	g := c.lag
	g.progress = now
	if c.herd.sel != nil {
		l.stats.passedOver.Add(uint64(b.Events - t.events))
	}
	if t.events > 0 {
		g.rest = c.gzip.appendPrivate(nil, c.herd.format, t.bytes)
		g.batch, g.at = t.events, b.At(t.index(0))
	}
}
