package stream

import (
	"time"

	"event-dispatcher/broker"
)

// ownBytes is how much of what a socket did not take is copied for its consumer alone,
// and not counted.
const ownBytes = 4 << 10

// A piece is what sockets took a part of: an event, a block, a share of a conflated herd.
// The laggards of a loop that lack some of it have the same bytes, which are counted
// once. Its loop lets go of it with the last of them.
type piece struct {
	key     pieceKey
	bytes   []byte
	beside  int // bytes of what else is kept with it
	keepers int
}

func (p *piece) size() int64 { return int64(len(p.bytes) + p.beside) }

// A pieceKey says what a piece is, so that the next who needs it finds it.
type pieceKey struct {
	herd   *herd  // whose bytes they are; nil: those of the ring
	share  *piece // it is of this one
	shard  int
	seq    uint64 // of the first event
	events int    // 0: nobody else has the same bytes
}

// eventKey is the key of what a herd gets of so many events of a batch.
func (h *herd) eventKey(shard int, b *broker.Batch, first, events int) pieceKey {
	k := pieceKey{herd: h, shard: shard, seq: b.Cursor(first).Sequence(), events: events}
	if h.raw {
		k.herd = nil
	}
	return k
}

// ownKey is eventKey for a laggard. Its ids have its own places in other shards.
func (h *herd) ownKey(shard int, b *broker.Batch, first, events int) pieceKey {
	if h.format.IDs && len(h.want.shards) > 1 {
		return pieceKey{}
	}
	return h.eventKey(shard, b, first, events)
}

// keep has a laggard written what follows the first n bytes of whole, and then tail.
// Both are borrowed.
func (l *loop) keep(c *consumer, key pieceKey, n int, whole, tail []byte) {
	if len(whole)-n+len(tail) <= ownBytes {
		c.lag.rest = append(append([]byte(nil), whole[n:]...), tail...)
		return
	}
	p := l.pieces[key]
	if size := int64(len(whole) + len(tail)); p == nil && l.crowded == l.turn && l.stats.kept.Load()+size > l.mayKeep(key, size) {
		l.close(c, ReasonMemory) // as the one before it
		return
	}
	if p == nil {
		p = &piece{key: key, bytes: make([]byte, 0, len(whole)+len(tail))}
		p.bytes = append(append(p.bytes, whole...), tail...)
		if key.events > 0 {
			l.pieces[key] = p
		}
	}
	l.lend(c, p, n)
}

// lend has a laggard written what follows the first n bytes of a piece. If there is no
// room, somebody is closed for it: c itself if nobody else stalls.
func (l *loop) lend(c *consumer, p *piece, n int) {
	anew := p.keepers == 0
	if anew {
		l.stats.kept.Add(p.size())
		l.keptMore()
	}
	p.keepers++
	c.lag.piece, c.lag.rest = p, p.bytes[n:len(p.bytes):len(p.bytes)]
	c.lag.lent, c.lag.turn = time.Now(), l.turn
	switch most := l.mayKeep(p.key, p.size()); {
	case !anew || l.stats.kept.Load() <= most:
	case l.crowded == l.turn: // there was nobody for the one before it either
		l.close(c, ReasonMemory)
	default:
		l.relieve(c, most)
	}
}

// mayKeep is how much may be kept when a piece is. One of the ring's bytes may go beyond the
// bound: all who take events as they are share it, however many views there are that had theirs
// before in the same turn.
func (l *loop) mayKeep(key pieceKey, size int64) int64 {
	if key.herd == nil && key.share == nil && key.events > 0 {
		return l.keepMost + size
	}
	return l.keepMost
}

// giveBack ends the use of a laggard's piece, if it has one.
func (l *loop) giveBack(c *consumer) {
	p := c.lag.piece
	if p == nil {
		return
	}
	c.lag.piece = nil
	if p.keepers--; p.keepers == 0 {
		l.stats.kept.Add(-p.size())
		p.bytes = nil // p may still be in the key of another one
		if p.key.events > 0 {
			delete(l.pieces, p.key)
		}
		l.keptLess()
	}
}

// hasRoom reports whether an event may be begun for a laggard: if its socket takes only
// a part, the rest must be kept.
func (l *loop) hasRoom(size int, key pieceKey) bool {
	return size <= ownBytes || l.stats.kept.Load()+int64(size) <= l.keepMost || l.pieces[key] != nil
}

// trim shortens a batch of a laggard's i-th shard to the events for which there is room.
// If there is none for the first one, that is skipped, and true returned.
func (l *loop) trim(c *consumer, i int, b *broker.Batch) bool {
	g, h, shard := c.lag, c.herd, c.want.shards[i]
	k := 0
	for k < b.Events && l.hasRoom(len(b.Event(k)), h.ownKey(shard, b, k, 1)) {
		k++
	}
	if k == b.Events {
		return false
	}
	b.Truncate(max(k, 1))
	g.cursors[i] = b.Cursor(b.Events)
	if k > 0 || h.sel != nil && len(l.pick(h, b)) == 0 {
		return false
	}
	c.skipped++
	l.stats.skipped.Add(1)
	g.rest = l.alone(c, l.pool.options.appendSkipped(h.format, nil, 1))
	return true
}
