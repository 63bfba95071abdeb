package stream

import (
	"slices"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

// A group is the herds of a loop that are swept together. All of them stand at the
// same place in a shard, its front, so an event is read once, however many views
// there are, and costs nothing for those that it does not concern. Only conflated herds may
// stand one event before it: see offer.
type group struct {
	delay   time.Duration // how late events may be; 0: as soon as it pays
	due     time.Time     // when the events that wait go out; zero: none wait
	ahead   []*consumer   // laggards that wait for a front; of a group that may be late
	fronts  []front       // by shard
	first   int           // shard of the next sweep
	herds   []*herd
	hasty   int          // of them, those that are not patient
	matcher view.Matcher // of the herds that select
	shaper  view.Shaper  // of those that want some members
	byID    []*chosen    // by the id of their selection
	ids     []int32      // of the selections that an event passes
	pass    int          // how many events are matched before what was picked is written
	touched []*herd      // those that a batch has events for
	offer   offer        // of the group of the conflated ones

	selections map[*view.Select]*chosen
}

// chosen is the herds with one selection: an event is tried for it once, in however many
// formats it goes out.
type chosen struct {
	id    int32 // in group.matcher
	herds []*herd
}

// A front is where a group stands in the log of one shard.
type front struct {
	cursor    broker.Cursor // stands still while there are no herds
	herds     int           // whose view has the shard
	raw       []*herd       // of them, those that get all events as they stand in the ring,
	built     []*herd       // and those that get all events in other bytes
	selecting int           // members of the others
}

// follow makes a herd of the group. A shard that the group did not follow yet starts at
// the cursor of the herd's first consumer, so that a hole there stops the herd, too.
func (g *group) follow(want *wanted, cursors []broker.Cursor, now time.Time) *herd {
	h := newHerd(g, want, now)
	for i, shard := range want.shards {
		f := &g.fronts[shard]
		if f.herds == 0 {
			f.cursor = cursors[i]
		}
		f.herds++
		switch {
		case h.sel != nil:
		case h.raw:
			f.raw = append(f.raw, h)
		default:
			f.built = append(f.built, h)
		}
	}
	if h.sel != nil {
		g.choose(h)
	}
	if h.shape != nil {
		g.shaper.Add(h.shape)
	}
	if h.conflation != nil {
		h.conflation.since = h.cursors()
	}
	if !h.patient() {
		g.hasty++
	}
	g.herds = append(g.herds, h)
	return h
}

// forget lets go of a herd that nobody needs.
func (g *group) forget(h *herd) {
	is := func(other *herd) bool { return other == h }
	for _, shard := range h.want.shards {
		f := &g.fronts[shard]
		f.herds--
		switch {
		case h.sel != nil:
		case h.raw:
			f.raw = slices.DeleteFunc(f.raw, is)
		default:
			f.built = slices.DeleteFunc(f.built, is)
		}
	}
	if h.sel != nil {
		g.unchoose(h)
	}
	if h.shape != nil {
		g.shaper.Remove(h.shape)
	}
	if !h.patient() {
		g.hasty--
	}
	g.herds = slices.DeleteFunc(g.herds, is)
	if h.lacks {
		g.offer.herds = slices.DeleteFunc(g.offer.herds, is)
		g.offer.release()
	}
}

// choose has the herd get what passes its selection.
func (g *group) choose(h *herd) {
	c := g.selections[h.sel]
	if c == nil {
		c = &chosen{id: g.matcher.Add(h.sel)}
		if g.selections == nil {
			g.selections = make(map[*view.Select]*chosen)
		}
		g.selections[h.sel] = c
		if n := int(c.id) + 1 - len(g.byID); n > 0 {
			g.byID = append(g.byID, make([]*chosen, n)...)
		}
		g.byID[c.id] = c
	}
	c.herds = append(c.herds, h)
}

// unchoose is the reverse.
func (g *group) unchoose(h *herd) {
	c := g.selections[h.sel]
	c.herds = slices.DeleteFunc(c.herds, func(other *herd) bool { return other == h })
	if len(c.herds) == 0 {
		delete(g.selections, h.sel)
		g.matcher.Remove(c.id)
		g.byID[c.id] = nil
	}
}

// pending reports whether a sweep would find something.
func (g *group) pending(b *broker.Broker) bool {
	if len(g.offer.herds) > 0 {
		return true
	}
	for shard := range g.fronts {
		if f := &g.fronts[shard]; f.herds > 0 && b.Pending(shard, f.cursor) {
			return true
		}
	}
	return false
}

// behind reports whether a herd is behind its log, even if only by a hole.
func (g *group) behind(b *broker.Broker) bool {
	if len(g.offer.herds) > 0 {
		return true
	}
	for shard := range g.fronts {
		if f := &g.fronts[shard]; f.herds > 0 && f.cursor.Behind(b.HeadOf(shard)) > 0 {
			return true
		}
	}
	return false
}

// hasMany reports whether so many events wait that the group need not be late.
func (g *group) hasMany(b *broker.Broker) bool {
	n := int64(0)
	for shard := range g.fronts {
		if f := &g.fronts[shard]; f.herds > 0 {
			n += f.cursor.Behind(b.HeadOf(shard))
		}
	}
	return n >= delayedEvents
}
