package stream

import (
	"crypto/sha256"
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
// Who becomes a member is past a prefix of what is held, and gets the rest at the next
// release: a part of the bytes that all get, however many come and whenever. So a laggard
// joins where the herd stood at its last release (it gets all that is held), or where it
// left since then, or, a newcomer from somewhere in between, where the herd stands now: what
// came since its cursors it reads alone, which is little.
type conflation struct {
	path  *view.Path
	every time.Duration

	due   time.Time           // when what is held goes out
	keys  map[valueKey]int32  // place in held of each value's event
	room  int                 // for so many keys there is memory
	held  []heldEvent         // in the order of the log, superseded ones among them
	data  []byte              // their frames, back to back
	dead  int                 // superseded ones
	since []broker.Cursor     // where the herd stood at its last release, by shard of its set
	base  []uint64            // and where before the first event that is held; of herds with ids
	first uint64              // number of the first event that was held since then
	next  uint64              // number of the next one
	fresh map[*consumer]entry // members that do not get all that is held; nil: none
	slow  []*consumer         // laggards that may still be writing their share of the last release

	counted int // bytes of keys, data and held
}

// A valueKey stands for a value, which may be as long as an event: it is the first half of
// the SHA-256 of the loop's secret and the value. Nobody can make two values that have the
// same one: without the secret there is nothing to try them on but the stream, one event
// at a time. A hash for tables, such as maphash, does not promise that.
type valueKey [16]byte

// keyBytes is what a key takes in a map at most, by and large: with its place 20 bytes, in
// a table that is a third full after it has grown.
const keyBytes = 64

// keyOf is the key of an event's value. Events without the member have one, too.
func (l *loop) keyOf(p *view.Path, event []byte) valueKey {
	l.value, _ = p.AppendKey(append(l.value[:0], l.secret[:]...), event)
	sum := sha256.Sum256(l.value)
	return valueKey(sum[:])
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

// hold takes in the events of a batch that are for the herd.
func (l *loop) hold(h *herd, shard int, b *broker.Batch, picked []int32, now time.Time) {
	f := h.conflation
	n, place := b.Events, int32(h.want.place(shard))
	if h.sel != nil {
		n = len(picked)
	}
	if n > 0 && len(f.held) == 0 {
		f.due = now.Add(f.every)
		if h.format.IDs {
			// What nothing was held of, all have passed, be it long since the last release.
			l.placeAt(h.cursors())
			l.place[place] = b.Cursor(0).Sequence()
			f.base = append(f.base[:0], l.place...)
		}
	}
	for i := range n {
		if h.sel != nil {
			i = int(picked[i])
		}
		json := wire.JSON(b.Event(i))
		key := l.keyOf(f.path, json)
		if before, ok := f.keys[key]; ok {
			f.held[before].over = true
			f.dead++
		}
		f.keys[key] = int32(len(f.held))
		if h.shape != nil {
			l.shaped = h.shape.Append(l.shaped[:0], json)
			json = l.shaped
		}
		if h.format.IDs { // framed when its id is known
			f.data = append(f.data, json...)
		} else {
			f.data = h.format.AppendEvent(f.data, json)
		}
		f.held = append(f.held, heldEvent{end: len(f.data), number: f.next, place: place, seq: b.Cursor(i).Sequence(), at: b.At(i)})
		f.next++
		if f.dead > 64 && f.dead > len(f.held)/2 {
			f.compact()
		}
	}
	// Herds that hold much let go at once, so that together they hold no more.
	if l.countHeld(f); l.heldMuch() && f.counted > int(l.keepMost)/2/len(l.conflated) && len(f.held) > 0 {
		l.giveShares(h, now)
	}
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
func (f *conflation) waiting(c *consumer) (n uint64) {
	e, fresh := f.fresh[c]
	if !fresh {
		return uint64(len(f.held) - f.dead)
	}
	for i := len(f.held) - 1; i >= 0 && f.held[i].number >= e.number; i-- {
		if !f.held[i].over {
			n++
		}
	}
	return n
}
