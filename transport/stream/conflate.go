package stream

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// heldBytes is how much a conflated herd holds back: if that is reached, what is
// held goes out before the interval is over.
const heldBytes = 1 << 20

// A conflation holds back, for a herd, the latest event of each value of a member,
// and lets them go once per interval.
//
// A laggard becomes a member when it has read up to where the herd stood at its last
// release. Of what is held it then gets the events that are not older than its cursors.
type conflation struct {
	path  *view.Path
	every time.Duration

	due   time.Time              // when what is held goes out
	keys  map[string]int32       // place in held of each value's event
	held  []heldEvent            // in the order of the log, superseded ones among them
	data  []byte                 // their frames, back to back
	dead  int                    // superseded ones
	since []broker.Cursor        // where the herd stood at its last release, by shard of its set
	fresh map[*consumer][]uint64 // cursors of members that came since then
	slow  []*consumer            // laggards that may still be writing their share of the last release
	key   []byte
}

// A heldEvent is one event that is held back.
type heldEvent struct {
	end   int // of its frame in data
	shard int
	seq   uint64
	at    broker.Tick
	over  bool // superseded
}

func newConflation(h *herd) *conflation {
	p := h.want.view.Pace
	if p.Every == 0 {
		return nil
	}
	return &conflation{path: p.Latest, every: p.Every, keys: map[string]int32{}, fresh: map[*consumer][]uint64{}}
}

// hold takes in the events of a batch that are for the herd. Events without the
// member have one value, too.
func (l *loop) hold(h *herd, shard int, b *broker.Batch, picked []int32, now time.Time) {
	f := h.conflation
	n := b.Events
	if h.sel != nil {
		n = len(picked)
	}
	if n > 0 && len(f.held) == 0 {
		f.due = now.Add(f.every)
	}
	for i := range n {
		if h.sel != nil {
			i = int(picked[i])
		}
		json := wire.JSON(b.Event(i))
		f.key, _ = f.path.AppendKey(f.key[:0], json)
		place := int32(len(f.held))
		if before, ok := f.keys[string(f.key)]; ok {
			f.held[before].over = true
			f.dead++
		}
		f.keys[string(f.key)] = place
		if h.shape != nil {
			l.shaped = h.shape.Append(l.shaped[:0], json)
			json = l.shaped
		}
		if h.format.EventIDs() { // framed when its id is known
			f.data = append(f.data, json...)
		} else {
			f.data = h.format.AppendEvent(f.data, json)
		}
		f.held = append(f.held, heldEvent{end: len(f.data), shard: shard, seq: b.Cursor(i).Sequence(), at: b.At(i)})
		if f.dead > 64 && f.dead > len(f.held)/2 {
			f.compact()
		}
	}
}

// compact forgets what was superseded.
func (f *conflation) compact() {
	start, kept, end := 0, f.held[:0], 0
	moved := make(map[int32]int32, len(f.keys))
	for i, e := range f.held {
		size := e.end - start
		if !e.over {
			copy(f.data[end:], f.data[start:e.end])
			end += size
			moved[int32(i)] = int32(len(kept))
			kept = append(kept, heldEvent{end: end, shard: e.shard, seq: e.seq, at: e.at})
		}
		start = e.end
	}
	for key, i := range f.keys {
		f.keys[key] = moved[i]
	}
	f.held, f.data, f.dead = kept, f.data[:end], 0
}

// A share is what a member gets of what is held. Those who cannot take it at once have
// the same slices for as long as they need them.
type share struct {
	bytes []byte
	ends  []int
	at    []broker.Tick
	taken int // events that are counted
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
			if h.format.EventIDs() {
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
	if h.format.IDs && !h.format.EventIDs() && len(s.ends) > 0 {
		s.bytes = l.appendID(h.format, s.bytes, h.cursors())
	}
	return s
}

// letGo writes what is held to all members of the conflated herds that are due.
func (l *loop) letGo(now time.Time) {
	for _, h := range l.conflated {
		f := h.conflation
		if len(f.held) == 0 || l.drainer == nil && now.Before(f.due) && len(f.data) < heldBytes {
			continue
		}
		for _, c := range f.slow {
			l.cutShare(c)
		}
		clear(f.slow)
		f.slow = f.slow[:0]
		for c, from := range f.fresh {
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
		if cap(f.data) > 2*heldBytes {
			f.data = nil
		}
		f.since = h.cursors()
	}
}

// giveShare writes a share to a member. One that does not take all of it at once goes on
// as a laggard.
func (l *loop) giveShare(h *herd, c *consumer, s *share, now time.Time) {
	passed := h.passed()
	l.stats.passedOver.Add(passed - c.mark - uint64(len(s.ends)))
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
	c.lag.rest, c.lag.share = s.bytes[n:], &own
	l.shared = true
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
	g.share = nil
	if left == 0 {
		return // only the place to resume from is cut
	}
	start := 0
	if s.taken > 0 {
		start = s.ends[s.taken-1]
	}
	g.rest = nil
	if n > start {
		g.rest = append(g.rest, s.bytes[n:s.ends[s.taken]]...)
		g.event, g.at = true, s.at[s.taken]
		left--
	}
	l.skip(c, left)
}

// skip has a laggard told, after its rest, of events that it will not get.
func (l *loop) skip(c *consumer, n int) {
	if n > 0 {
		c.skipped += uint64(n)
		l.stats.skipped.Add(uint64(n))
		c.lag.rest = l.pool.options.appendSkipped(c.herd.format, c.lag.rest, uint64(n))
	}
}

// rejoin takes a laggard that was a member before to where its herd last let go. To
// write it what it missed, superseded events and all, would make it slower still.
func (l *loop) rejoin(c *consumer) {
	missed := 0
	for i, since := range c.herd.conflation.since {
		if n := c.lag.cursors[i].Behind(since); n > 0 {
			missed += int(n)
			c.lag.cursors[i] = since
		}
	}
	l.skip(c, missed)
}

// join makes c, which has read up to where the herd last let go, share in what is held.
func (f *conflation) join(c *consumer, cursors []broker.Cursor) {
	from := make([]uint64, len(cursors))
	c.mark = 0
	for i, cursor := range cursors {
		from[i] = cursor.Sequence()
		c.mark += from[i]
	}
	f.fresh[c] = from
}

// waiting is how much of what is held is for c.
func (f *conflation) waiting(h *herd, c *consumer) (n uint64) {
	from := f.fresh[c]
	for _, e := range f.held {
		if !e.over && (from == nil || int64(e.seq-from[h.want.place(e.shard)]) >= 0) {
			n++
		}
	}
	return n
}
