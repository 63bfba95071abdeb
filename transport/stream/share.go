package stream

import (
	"time"
	"unsafe"

	"event-dispatcher/broker"
)

// A share is what a member gets of what is held. Those who cannot take it at once have
// the same slices for as long as they need them.
type share struct {
	bytes []byte
	ends  []int
	at    []broker.Tick
	taken int    // events that are counted
	piece *piece // has bytes; nil: no laggard does
}

// shareOf fills l.share with what is not older than from, by place in the herd's
// shards; nil means all.
func (l *loop) shareOf(h *herd, from []uint64) *share {
	f, s := h.conflation, &l.share
	if l.shared {
		*s, l.shared = share{}, false
	}
	*s = share{bytes: s.bytes[:0], ends: s.ends[:0], at: s.at[:0]}
	// Places count from where the herd last let go, or the member came later than that.
	if l.placeAt(f.since); from != nil {
		for i, seq := range from {
			if int64(seq-l.place[i]) > 0 {
				l.place[i] = seq
			}
		}
	}
	start := 0
	for _, e := range f.held {
		if !e.over && (from == nil || int64(e.seq-from[h.want.place(e.shard)]) >= 0) {
			if h.format.IDs {
				l.place[h.want.place(e.shard)] = e.seq + 1
				s.bytes = l.appendEventID(h.format, s.bytes, f.data[start:e.end])
			} else {
				s.bytes = append(s.bytes, f.data[start:e.end]...)
			}
			s.ends = append(s.ends, len(s.bytes))
			s.at = append(s.at, e.at)
		}
		start = e.end
	}
	return s
}

// sharesAll reports whether a member that came when it had read up to from gets the same
// bytes as those that have been there for longer.
func (f *conflation) sharesAll(h *herd, from []uint64) bool {
	if h.format.IDs && len(from) > 1 {
		return false
	}
	for _, e := range f.held {
		if !e.over && int64(e.seq-from[h.want.place(e.shard)]) < 0 {
			return false
		}
	}
	return true
}

// letGo writes what is held to all members of the conflated herds that are due.
func (l *loop) letGo(now time.Time) {
	for _, h := range l.conflated {
		f := h.conflation
		if len(f.held) > 0 && (l.drainer != nil || !now.Before(f.due) || len(f.data) >= heldBytes) {
			l.giveShares(h, now)
		}
	}
}

// giveShares writes what is held to all members of a conflated herd.
func (l *loop) giveShares(h *herd, now time.Time) {
	f := h.conflation
	for _, c := range f.slow {
		l.cutShare(c)
	}
	clear(f.slow)
	f.slow = f.slow[:0]
	for c, from := range f.fresh {
		if f.sharesAll(h, from) {
			delete(f.fresh, c)
			continue
		}
		l.giveShare(h, c, l.shareOf(h, from), now)
	}
	s := l.shareOf(h, nil)
	for k := len(h.members) - 1; k >= 0; k-- {
		if c := h.members[k]; f.fresh[c] == nil {
			l.giveShare(h, c, s, now)
		}
	}
	clear(f.fresh)
	clear(f.keys)
	f.held, f.data, f.dead = f.held[:0], f.data[:0], 0
	if f.counted > 3*heldBytes || l.heldMuch() {
		f.keys, f.room, f.held, f.data = map[valueKey]int32{}, 0, nil, nil
	}
	l.countHeld(f)
	f.since = h.cursors()
}

// heldMuch reports whether the conflated herds of the loop hold half of what may be kept.
func (l *loop) heldMuch() bool { return l.stats.held.Load() > l.keepMost/2 }

// countHeld counts the memory of what a herd holds back.
func (l *loop) countHeld(f *conflation) {
	f.room = max(f.room, len(f.keys)) // a map that is cleared keeps its memory
	size := f.room*keyBytes + cap(f.data) + cap(f.held)*int(unsafe.Sizeof(heldEvent{}))
	more := size - f.counted
	f.counted = size
	l.stats.held.Add(int64(more))
	if l.keptMore(); more < 0 {
		l.keptLess()
	}
}

// giveShare writes a share to a member. One that does not take all of it at once goes on
// as a laggard.
func (l *loop) giveShare(h *herd, c *consumer, s *share, now time.Time) {
	passed := h.passed()
	l.over += passed - c.mark - uint64(len(s.ends))
	c.mark = passed
	if len(s.bytes) == 0 {
		return
	}
	h.written = now
	n, ok := l.write(c, s.bytes)
	if !ok {
		return
	}
	l.stats.wires[h.format.Kind].bytes.Add(uint64(n))
	l.stats.lag.observe(uint64(len(s.ends)), 1)
	own := *s
	l.countShare(c, &own, n)
	if n == len(s.bytes) {
		return
	}
	l.makeLaggard(c, nil)
	if l.shared = true; s.piece == nil || s.piece.keepers == 0 {
		s.piece = &piece{bytes: s.bytes}
	}
	c.lag.share = &own
	l.lend(c, s.piece, n)
	h.conflation.slow = append(h.conflation.slow, c)
}

// countShare counts the events that are whole in the first n bytes of a share.
func (l *loop) countShare(c *consumer, s *share, n int) {
	counters, tick := &l.stats.wires[c.herd.format.Kind], l.broker.Tick(time.Now())
	for ; s.taken < len(s.ends) && s.ends[s.taken] <= n; s.taken++ {
		c.delivered++
		counters.delivered.Add(1)
		l.stats.latency.observe(uint64(tick.Since(s.at[s.taken])), 1)
	}
}

// cutShare has a laggard get no more of its share than the rest of the event that
// it is in: there are later ones.
func (l *loop) cutShare(c *consumer) {
	if c.slot < 0 || c.lag == nil || c.lag.share == nil {
		return
	}
	g, s := c.lag, c.lag.share
	n, left := len(s.bytes)-len(g.rest), len(s.ends)-s.taken
	of := g.piece
	l.giveBack(c)
	g.share = nil
	start := 0
	if s.taken > 0 {
		start = s.ends[s.taken-1]
	}
	g.rest = nil
	if n <= start {
		l.skip(c, left)
		return
	}
	g.event, g.at = true, s.at[s.taken]
	var notice []byte
	if left--; left > 0 {
		c.skipped += uint64(left)
		l.stats.skipped.Add(uint64(left))
		notice = l.pool.options.appendSkipped(c.herd.format, nil, uint64(left))
	}
	key := pieceKey{share: of, seq: uint64(s.taken), events: 1}
	l.keep(c, key, n-start, s.bytes[start:s.ends[s.taken]], notice)
}

// skip has a laggard told, after its rest, of events that it will not get.
func (l *loop) skip(c *consumer, n int) {
	if n > 0 {
		c.skipped += uint64(n)
		l.stats.skipped.Add(uint64(n))
		c.lag.rest = l.pool.options.appendSkipped(c.herd.format, c.lag.rest, uint64(n))
	}
}
