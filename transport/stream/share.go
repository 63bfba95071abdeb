package stream

import (
	"cmp"
	"slices"
	"time"
	"unsafe"

	"event-dispatcher/broker"
)

// A share is what a member gets of what is held. Those who cannot take it at once have
// the same copy for as long as they need it.
type share struct {
	bytes []byte
	ends  []int
	at    []broker.Tick
	taken int    // events that are counted, or not for the member
	copy  *share // nil: no laggard has it
	piece *piece // of a copy: has bytes
}

// lent is the copy that laggards have.
func (s *share) lent() *share {
	if s.copy == nil {
		s.copy = &share{bytes: slices.Clone(s.bytes), ends: slices.Clone(s.ends), at: slices.Clone(s.at)}
	}
	if c := s.copy; c.piece == nil || c.piece.keepers == 0 {
		// An event may be as short as its end.
		beside := len(c.ends)*int(unsafe.Sizeof(c.ends[0])) + len(c.at)*int(unsafe.Sizeof(c.at[0]))
		c.piece = &piece{bytes: c.bytes, beside: beside}
	}
	return s.copy
}

// shareOf fills l.share with what is held, and l.numbers with the numbers of these events.
func (l *loop) shareOf(h *herd) *share {
	f, s := h.conflation, &l.share
	*s = share{bytes: s.bytes[:0], ends: s.ends[:0], at: s.at[:0]}
	l.numbers = l.numbers[:0]
	entries := f.entries()
	l.place = append(l.place[:0], f.base...)
	start := 0
	for _, e := range f.held {
		if e.over {
			start = e.end
			continue
		}
		if h.format.IDs {
			// Behind this event, who came before it has passed all up to where it came. So has
			// who was there already: of what was held by then it has taken all but what was
			// superseded, some of it by events that come now, which are behind that place.
			for len(entries) > 0 && entries[0].number <= e.number {
				for i, seq := range entries[0].place {
					if int64(seq-l.place[i]) > 0 {
						l.place[i] = seq
					}
				}
				entries = entries[1:]
			}
			l.place[e.place] = e.seq + 1
			s.bytes = l.appendEventID(h.format, s.bytes, f.data[start:e.end])
		} else {
			s.bytes = append(s.bytes, f.data[start:e.end]...)
		}
		s.ends = append(s.ends, len(s.bytes))
		s.at = append(s.at, e.at)
		l.numbers = append(l.numbers, e.number)
		start = e.end
	}
	return s
}

// entries are where members came that ids need to know of, in order.
func (f *conflation) entries() (entries []entry) {
	for _, e := range f.fresh {
		if e.place != nil {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.number, b.number) })
	return entries
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
	for c := range f.slow {
		l.cutShare(c)
	}
	f.slow = nil
	s := l.shareOf(h)
	for k := len(h.members) - 1; k >= 0; k-- {
		c, from := h.members[k], 0
		if e, fresh := f.fresh[c]; fresh {
			from, _ = slices.BinarySearch(l.numbers, e.number)
		}
		l.giveShare(h, c, s, from, now)
	}
	s.copy = nil // what laggards have is theirs
	if cap(s.bytes) > 2*heldBytes || cap(s.ends) > heldBytes/32 {
		l.share, l.numbers = share{}, nil
	}
	clear(f.keys)
	f.fresh, f.first = nil, f.next
	f.held, f.data, f.dead = f.held[:0], f.data[:0], 0
	f.counts = nil
	if f.counted > 3*heldBytes || l.heldMuch() {
		f.keys, f.room, f.held, f.data = map[valueKey]int32{}, 0, nil, nil
	}
	l.countHeld(f)
	f.since, f.gap = h.cursors(), false
}

// heldMuch reports whether the conflated herds of the loop hold half of what may be kept.
func (l *loop) heldMuch() bool { return l.stats.held.Load() > l.keepMost/2 }

// countHeld counts the memory of what a herd holds back.
func (l *loop) countHeld(f *conflation) {
	f.room = max(f.room, len(f.keys)) // a map that is cleared keeps its memory
	size := f.room*keyBytes + cap(f.data) + cap(f.held)*int(unsafe.Sizeof(heldEvent{})) + 4*cap(f.counts)
	more := size - f.counted
	if more == 0 {
		return
	}
	f.counted = size
	l.stats.held.Add(int64(more))
	if l.keptMore(); more < 0 {
		l.keptLess()
	}
}

// giveShare writes the events of a share from one on to a member. One that does not take
// all of it at once goes on as a laggard.
func (l *loop) giveShare(h *herd, c *consumer, s *share, from int, now time.Time) {
	l.countPassedOver(c)
	events := len(s.ends) - from
	if events == 0 {
		return
	}
	h.written = now
	start := 0
	if from > 0 {
		start = s.ends[from-1]
	}
	n, ok := l.write(c, s.bytes[start:])
	if !ok {
		return
	}
	c.mark += uint64(events)
	l.stats.wires[h.format.Kind].bytes.Add(uint64(n))
	l.stats.lag.observe(uint64(events), 1)
	s.taken = from
	n += start
	l.countShare(c, s, n)
	if n == len(s.bytes) {
		return
	}
	l.makeLaggard(c, nil)
	own := *s.lent()
	own.taken = s.taken
	c.lag.share = &own
	if h.conflation.slow == nil {
		h.conflation.slow = map[*consumer]struct{}{}
	}
	h.conflation.slow[c] = struct{}{}
	l.lend(c, own.piece, n) // which may close it
}

// countPassedOver counts what a member of a conflated herd was passed over since it was
// last counted: all that the herd has read, less what is held for the member.
func (l *loop) countPassedOver(c *consumer) {
	over := c.herd.passed() - c.mark - c.herd.conflation.waiting(c)
	l.over += over
	c.mark += over
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
	if c.lag == nil || c.lag.share == nil {
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
