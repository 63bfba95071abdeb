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
// A laggard becomes a member when it has read up to where the herd stood at its last
// release. Of what is held it then gets the events that are not older than its cursors.
type conflation struct {
	path  *view.Path
	every time.Duration

	due   time.Time              // when what is held goes out
	keys  map[valueKey]int32     // place in held of each value's event
	room  int                    // for so many keys there is memory
	held  []heldEvent            // in the order of the log, superseded ones among them
	data  []byte                 // their frames, back to back
	dead  int                    // superseded ones
	since []broker.Cursor        // where the herd stood at its last release, by shard of its set
	fresh map[*consumer][]uint64 // cursors of members that came since then
	slow  []*consumer            // laggards that may still be writing their share of the last release

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
	return &conflation{path: p.Latest, every: p.Every, keys: map[valueKey]int32{}, fresh: map[*consumer][]uint64{}}
}

// hold takes in the events of a batch that are for the herd.
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
		f.held = append(f.held, heldEvent{end: len(f.data), shard: shard, seq: b.Cursor(i).Sequence(), at: b.At(i)})
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
			kept = append(kept, heldEvent{end: end, shard: e.shard, seq: e.seq, at: e.at})
		}
		start = e.end
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
