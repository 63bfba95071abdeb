package stream

import (
	"time"

	"event-dispatcher/broker"
)

type turn int

const (
	done      turn = iota // in the herd, closed, or waiting for its socket
	outOfTurn             // has more to write
	ahead                 // has read more than its herd: wait for the herd
)

// blockCost is what a block, however short, takes of a laggard's turn, in bytes.
const blockCost = 4 << 10

// builtRead is how much of the ring, in bytes, is built into something else at once for a laggard.
const builtRead = 32 << 10

// catchUp writes what a laggard is behind, at most so many bytes of it, or as much as takes as
// long to read.
func (l *loop) catchUp(c *consumer, now time.Time, budget int) turn {
	g, h := c.lag, c.herd
	most := turnBytes
	if !h.raw { // what is built for it is thrown away if its socket does not take it
		most = builtRead
	}
	for {
		if len(g.rest) > 0 && !l.writeRest(c, now) {
			return done
		}
		if !g.leaving || g.why == ReasonLeft {
			if g.rest = c.link.take(); len(g.rest) > 0 {
				continue
			}
		}
		if g.leaving {
			if l.sockets.flushed(c) {
				l.close(c, g.why)
			}
			return done
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
			if c.slot < 0 { // there was no room for the block
				return done
			}
			budget -= max(len(g.rest), blockCost)
			continue
		}
		i := l.nextShard(c)
		if i < 0 {
			break
		}
		if !l.broker.Read(h.want.shards[i], &g.cursors[i], &l.batch, min(budget, most)) {
			break
		}
		if h.each > 0 {
			c.truncate(i, &l.batch, max(budget/h.each, 1))
		}
		if h.alone() {
			g.alone += h.cost(&l.batch)
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

// writeRest writes what a laggard has been given and its socket has not taken yet, and
// reports whether it took all of it.
func (l *loop) writeRest(c *consumer, now time.Time) bool {
	g, wire := c.lag, &l.stats.wires[c.herd.format.Kind]
	n, ok := l.write(c, g.rest)
	if !ok {
		return false
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
		return false
	}
	l.giveBack(c)
	g.rest, g.share = nil, nil
	if g.block != nil {
		l.tookBlock(c)
	}
	if g.batch > 0 {
		l.tookAlone(c)
	}
	if g.event {
		g.event = false
		c.delivered++
		wire.delivered.Add(1)
		l.stats.latency.observe(uint64(l.broker.Tick(time.Now()).Since(g.at)), 1)
	}
	return true
}

// nextShard is the place of the first shard in which c is behind its herd, or -1.
func (l *loop) nextShard(c *consumer) int {
	for i := range c.want.shards {
		if c.lag.cursors[i].Behind(c.goal(i)) > 0 {
			return i
		}
	}
	if g, f := c.lag, c.herd.conflation; f != nil && !g.former && !g.straight && !f.reached(g.cursors) {
		g.straight = true
		return l.nextShard(c)
	}
	return -1
}

// goal is how far a laggard has to read, in its i-th shard, to be a member.
func (c *consumer) goal(i int) broker.Cursor {
	if f := c.herd.conflation; f != nil && !c.lag.straight && !f.gap {
		return f.since[i]
	}
	return c.herd.at(c.want.shards[i])
}

// caughtUp reports whether c has read up to its goals, and no further than its herd.
func (l *loop) caughtUp(c *consumer) bool {
	for i, shard := range c.want.shards {
		at := c.lag.cursors[i]
		if at.Behind(c.herd.at(shard)) < 0 || at.Behind(c.goal(i)) > 0 {
			return false
		}
	}
	return true
}

// truncate leaves at most so many events of a batch of its i-th shard for c now.
func (c *consumer) truncate(i int, b *broker.Batch, most int) {
	if b.Events > most {
		b.Truncate(most)
		c.lag.cursors[i] = b.Cursor(most)
	}
}

// serveBatch writes what a laggard gets of a batch of its i-th shard, and returns
// what that took of its turn and whether its socket may take more.
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
	c.truncate(i, b, int(b.Cursor(0).Behind(c.goal(i)))) // invariant 2
	if l.stats.kept.Load() > l.keepMost/2 && l.trim(c, i, b) {
		return blockCost, true
	}
	t := l.build(h, shard, b, l.pick(h, b), g.cursors)
	if c.gzip != nil {
		return l.serveAlone(c, shard, b, t, now)
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
			l.over += uint64(b.Events - t.events)
		}
		return h.cost(b), true
	}
	cut := l.cut(h, b, t, n)
	l.standAt(c, shard, b, cut)
	l.keep(c, h.ownKey(shard, b, max(cut.passed-1, 0), 1), cut.done, cut.whole, nil)
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

// serveAlone writes a consumer of a compressed stream, who is not up to date, what it
// gets of a batch, and returns what that took of its turn and whether its socket may take
// more.
func (l *loop) serveAlone(c *consumer, shard int, b *broker.Batch, t *take, now time.Time) (int, bool) {
	g, h := c.lag, c.herd
	if h.sel != nil {
		l.over += uint64(b.Events - t.events)
	}
	if t.events == 0 {
		g.progress = now
		return h.cost(b), true
	}
	l.aside = c.gzip.appendPrivate(l.aside[:0], h.format, t.bytes)
	n, ok := l.write(c, l.aside)
	if !ok {
		return 0, false
	}
	if n > 0 {
		g.progress = now
		l.stats.wires[h.format.Kind].bytes.Add(uint64(n))
	}
	g.batch, g.at = t.events, b.At(t.index(0))
	if n == len(l.aside) {
		l.tookAlone(c)
		return h.cost(b), true
	}
	key := h.ownKey(shard, b, 0, b.Events)
	if key.events > 0 {
		key.herd = h // the bytes are not those of the ring
	}
	l.keep(c, key, n, l.aside, nil)
	return n, false
}

// tookAlone counts the events of a batch that serveAlone wrote.
func (l *loop) tookAlone(c *consumer) {
	g, wire := c.lag, &l.stats.wires[c.herd.format.Kind]
	c.delivered += uint64(g.batch)
	wire.delivered.Add(uint64(g.batch))
	l.stats.latency.observe(uint64(l.broker.Tick(time.Now()).Since(g.at)), uint64(g.batch))
	g.batch = 0
}
