package stream

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// A herd is the consumers of one loop and one view that are up to date.
type herd struct {
	// Fixed.
	group  *group
	want   *wanted
	format wire.Format
	sel    *view.Select // nil: every event
	shape  *view.Shape  // nil: the whole event
	raw    bool         // events have the bytes that they have in the ring
	each   int          // what an event costs of a laggard's turn at least, in bytes

	conflation *conflation // nil: events go out as they come
	packer     *packer     // nil: events go out as they are

	members   []*consumer
	lagging   int       // consumers that belong to it but are not up to date
	written   time.Time // when the members last got bytes; the one for whom that is longest ago
	delivered uint64    // events that were written to all who were members then
	picked    []int32   // events of the current batch that pass sel
	lacks     bool      // does not have the event yet that its group offers
}

func newHerd(g *group, want *wanted, now time.Time) *herd {
	v := want.view
	h := &herd{
		group: g, want: want, format: v.Format, sel: v.Select, shape: v.Shape,
		raw: v.Format.InRing() && v.Shape == nil && v.Pace.Every == 0, written: now,
	}
	if !h.raw || h.sel != nil {
		h.each = eachBytes * (1 + h.sel.Conditions() + h.shape.Members())
	}
	h.conflation = newConflation(h)
	if v.Format.Encoding != wire.Identity {
		h.packer = newPacker(h)
	}
	return h
}

// hasReaders reports whether somebody gets what is new to the herd: a member, or a laggard that
// reads blocks. Who enters has read it alone.
func (h *herd) hasReaders() bool {
	return len(h.members) > 0 || h.packer != nil && h.packer.lagging > 0
}

// patient reports whether an event is seldom written to the members at once.
func (h *herd) patient() bool { return h.sel != nil || h.conflation != nil || h.packer != nil }

// alone reports whether each event that a laggard of the herd is behind is looked at, or built,
// for it alone.
func (h *herd) alone() bool { return !h.raw || h.patient() }

// cost is what a batch takes of the turn of a laggard that reads it alone, in bytes.
func (h *herd) cost(b *broker.Batch) int { return max(len(b.Bytes), b.Events*h.each) }

// join makes c, a laggard, a member.
func (h *herd) join(c *consumer) {
	// What was swept meanwhile, c was written in its own turns, or it is not for c.
	if len(h.members) == 0 || c.lag.progress.Before(h.written) {
		h.written = c.lag.progress
	}
	if h.conflation != nil {
		h.conflation.join(h, c)
	}
	h.lagging--
	c.lag = nil
	c.delivered -= h.delivered
	c.place = int32(len(h.members))
	h.members = append(h.members, c)
	h.count(1)
}

// leave makes c no member any more.
func (h *herd) leave(c *consumer) {
	last := h.members[len(h.members)-1]
	h.members[c.place] = last
	last.place = c.place
	h.members[len(h.members)-1] = nil
	h.members = h.members[:len(h.members)-1]
	c.place = -1
	c.delivered += h.delivered
	if h.conflation != nil {
		delete(h.conflation.fresh, c)
	}
	if h.packer != nil {
		c.skipped += h.packer.skips
	}
	h.count(-1)
}

// count keeps the number of members that select, by shard.
func (h *herd) count(n int) {
	if h.sel == nil || h.conflation != nil || h.packer != nil {
		return
	}
	for _, shard := range h.want.shards {
		h.group.fronts[shard].selecting += n
	}
}

// passed is the sum of the sequences up to which the herd has read.
func (h *herd) passed() (sum uint64) {
	for _, shard := range h.want.shards {
		sum += h.at(shard).Sequence()
	}
	return sum
}

// at is where the herd stands in a shard.
func (h *herd) at(shard int) broker.Cursor {
	if o := &h.group.offer; h.lacks && shard == o.shard {
		return o.before
	}
	return h.group.fronts[shard].cursor
}

// deserted reports whether nobody needs the herd.
func (h *herd) deserted() bool { return len(h.members) == 0 && h.lagging == 0 }

// cursors are where the herd stands, one per shard of its set.
func (h *herd) cursors() []broker.Cursor {
	cursors := make([]broker.Cursor, len(h.want.shards))
	for i, shard := range h.want.shards {
		cursors[i] = h.at(shard)
	}
	return cursors
}
