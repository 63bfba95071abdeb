package stream

import (
	"cmp"
	"slices"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

// heldBytes is how much a conflated herd holds back: if that is reached, what is
// held goes out before the interval is over.
const heldBytes = 1 << 20

// A conflation holds back, for a herd, the latest event of each value of a member,
// and lets them go once per interval.
//
// Who becomes a member is past a prefix of what is held, and gets the rest at the next
// release: a part of the bytes that all get, however many come and whenever. So a laggard
// joins where the herd stood at its last release (it gets all that is held), or where it
// left since then, or, a newcomer from somewhere in between, where the herd stands now: what
// came since its cursors it reads alone, which is little. If the herd was told since that it missed
// some, everybody joins where it stands now: who reads up to there finds the same gap.
type conflation struct {
	path  *view.Path
	key   *sharedKey // of the event's value, shared with those that conflate by the same member
	every time.Duration

	due   time.Time              // when what is held goes out
	keys  map[valueKey]int32     // place in held of each value's event
	room  int                    // for so many keys there is memory
	held  []heldEvent            // in the order of the log, superseded ones among them
	data  []byte                 // their frames, back to back
	dead  int                    // superseded ones
	since []broker.Cursor        // where the herd stood at its last release, by shard of its set
	gap   bool                   // members were told since then that they missed some
	base  []uint64               // and where before the first event that is held; of herds with ids
	first uint64                 // number of the first event that was held since then
	next  uint64                 // number of the next one
	fresh map[*consumer]entry    // members that do not get all that is held; nil: none
	slow  map[*consumer]struct{} // laggards that may still be writing their share of the last release; nil: none

	counted int // bytes of keys, data, held and counts

	// How many of held, from each one on, are not superseded. It is made once for all members
	// that came while events were held: there may be thousands of members, and hundreds of
	// thousands of events.
	counts []uint32 // by place in held; empty: not made since held changed
}

// A heldEvent is one event that is held back.
type heldEvent struct {
	end    int    // of its frame in data
	number uint64 // grows by one from event to event
	place  int32  // of its shard in the herd's set
	over   bool   // superseded
	seq    uint64
	at     broker.Tick
}

// An entry is where a member came.
type entry struct {
	number uint64   // of the first event that it gets
	place  []uint64 // where the herd stood then; nil: no id needs it
}

func newConflation(h *herd) *conflation {
	p := h.want.view.Pace
	if p.Every == 0 {
		return nil
	}
	return &conflation{path: p.Latest, every: p.Every, keys: map[valueKey]int32{}}
}

// compact forgets what was superseded.
func (f *conflation) compact() {
	start, kept, end := 0, f.held[:0], 0
	moved := make([]int32, len(f.held))
	for i, e := range f.held {
		size := e.end - start
		if !e.over {
			copy(f.data[end:], f.data[start:e.end])
			end += size
			moved[i] = int32(len(kept))
			start, e.end = e.end, end
			kept = append(kept, e)
		} else {
			start = e.end
		}
	}
	for key, i := range f.keys {
		f.keys[key] = moved[i]
	}
	f.held, f.data, f.dead = kept, f.data[:end], 0
	f.counts = f.counts[:0]
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

// reached reports whether cursors are where the herd last let go.
func (f *conflation) reached(cursors []broker.Cursor) bool {
	for i, since := range f.since {
		if cursors[i].Behind(since) != 0 {
			return false
		}
	}
	return true
}

// join makes c, a laggard, share in what is held.
func (f *conflation) join(h *herd, c *consumer) {
	g, number := c.lag, f.first
	switch {
	case f.gap:
		number = f.next
	case g.former:
		number = max(g.number, f.first)
	case g.straight:
		number = f.next
	}
	c.mark = 0
	for _, cursor := range g.cursors {
		c.mark += cursor.Sequence()
	}
	if number == f.first {
		return
	}
	e := entry{number: number}
	if h.format.IDs && len(g.cursors) > 1 {
		for _, cursor := range g.cursors {
			e.place = append(e.place, cursor.Sequence())
		}
	}
	if f.fresh == nil {
		f.fresh = map[*consumer]entry{}
	}
	f.fresh[c] = e
}

// waiting is how much of what is held is for c.
func (f *conflation) waiting(c *consumer) uint64 {
	e, fresh := f.fresh[c]
	if !fresh {
		return uint64(len(f.held) - f.dead)
	}
	i, _ := slices.BinarySearchFunc(f.held, e.number, func(h heldEvent, number uint64) int { return cmp.Compare(h.number, number) })
	if i == len(f.held) {
		return 0
	}
	if len(f.counts) == 0 {
		f.counts = slices.Grow(f.counts, len(f.held))[:len(f.held)]
		n := uint32(0)
		for k := len(f.held) - 1; k >= 0; k-- {
			if !f.held[k].over {
				n++
			}
			f.counts[k] = n
		}
	}
	return uint64(f.counts[i])
}
