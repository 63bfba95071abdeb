package stream

import (
	"sort"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// A take is what a herd gets of a batch: the same bytes for all its members.
type take struct {
	bytes  []byte
	events int
	picked []int32 // which events of the batch; nil: the first ones
	ends   []int   // where events end in bytes; nil: as in the ring
}

// build makes what a herd gets of a batch of a shard, whose events that pass its selection are
// picked, if it has one. It is good until the next one is built. A consumer that gets
// it stands at cursors then; nil: at the fronts, and it is one of the takes for which the group's
// shaper began.
func (l *loop) build(h *herd, shard int, b *broker.Batch, picked []int32, cursors []broker.Cursor) *take {
	t := &l.take
	*t = take{events: b.Events}
	if h.sel != nil {
		t.events, t.picked = len(picked), picked
	}
	switch {
	case !h.raw:
	case h.sel == nil:
		t.bytes = b.Bytes
		return t
	case t.events > 0 && int(picked[t.events-1]-picked[0]) == t.events-1: // a run
		first, last := b.Event(int(picked[0])), b.Event(int(picked[t.events-1]))
		start, end := cap(b.Bytes)-cap(first), cap(b.Bytes)-cap(last)+len(last)
		t.bytes = b.Bytes[start:end]
		return t
	}
	bytes, ends, alone := l.scratch[:0], l.ends[:0], cursors != nil
	if h.format.IDs && t.events > 0 && cursors == nil {
		cursors = h.cursors()
	}
	own := 0 // place of the shard in l.place
	if h.format.IDs {
		l.placeAt(cursors)
		own = h.want.place(shard)
	}
	for i := range t.events {
		event := b.Event(t.index(i))
		json := wire.JSON(event)
		switch {
		case h.shape == nil:
		case alone:
			l.shaped = h.shape.Append(l.shaped[:0], json)
			json = l.shaped
		default:
			l.shaped = h.group.shaper.Append(l.shaped[:0], json, t.index(i), h.shape)
			json = l.shaped
		}
		switch {
		case h.raw:
			bytes = append(bytes, event...)
		case h.format.IDs:
			l.place[own] = b.Cursor(t.index(i) + 1).Sequence()
			bytes = l.appendEventID(h.format, bytes, json)
		default:
			bytes = h.format.AppendEvent(bytes, json)
		}
		ends = append(ends, len(bytes))
	}
	l.scratch, l.ends = bytes, ends
	t.bytes, t.ends = bytes, ends
	return t
}

// pick is what a laggard of a herd that selects gets of a batch.
func (l *loop) pick(h *herd, b *broker.Batch) []int32 {
	if h.sel == nil {
		return nil
	}
	l.picked = l.picked[:0]
	for i := range b.Events {
		if h.sel.Match(wire.JSON(b.Event(i))) {
			l.picked = append(l.picked, int32(i))
		}
	}
	return l.picked
}

// index is the place in the batch of the take's i-th event.
func (t *take) index(i int) int {
	if t.picked != nil {
		return int(t.picked[i])
	}
	return i
}

// A cut is where a socket stopped in a take.
type cut struct {
	delivered int         // events that went out whole
	passed    int         // events of the batch that are behind it, with the one that was cut
	whole     []byte      // what was cut; borrowed
	done      int         // how much of it went out
	event     bool        // it is an event,
	at        broker.Tick // published then
}

// cut tells where the first n bytes of a take end.
func (t *take) cut(b *broker.Batch, n int) cut {
	k, partial := t.find(b, n)
	i := t.index(k)
	if partial == 0 {
		return cut{delivered: k, passed: i}
	}
	end := n - partial + len(b.Event(i))
	if t.ends != nil {
		end = t.ends[k]
	}
	return cut{delivered: k, passed: i + 1, whole: t.bytes[n-partial : end], done: partial, event: true, at: b.At(i)}
}

// find tells how many events are whole in the first n bytes, and how many bytes of
// the next one are among them.
func (t *take) find(b *broker.Batch, n int) (events, partial int) {
	switch {
	case t.ends != nil:
		k := sort.Search(t.events, func(i int) bool { return t.ends[i] > n })
		if k > 0 {
			n -= t.ends[k-1]
		}
		return k, n
	case t.picked == nil:
		return b.Cut(n)
	}
	k, partial := b.Cut(cap(b.Bytes) - cap(t.bytes) + n)
	return k - int(t.picked[0]), partial
}
