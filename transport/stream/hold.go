package stream

import (
	"slices"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

const (
	// holdBytes is how much a turn reads to hold events back. Conflated herds are a group of
	// their own, behind the others: what is left over they read in the next turn, and who
	// takes events as they come is not behind with them.
	holdBytes = 4 << 20
	// holdLeast is how many bytes an event counts for at least, for each herd: to keep a small
	// one takes about as long as to read so many.
	holdLeast = 256
	// holdLook is after how many bytes a turn looks how long it has taken.
	holdLook = 64 << 10
)

// An offer is an event for the conflated herds that it concerns. A turn may end before all of
// them have it: there may be hundreds, and an event may be large. Who lacks it stands before it,
// everybody else behind it, at the front. It is all that a herd can lack of what is before the
// front: the next turn begins with it.
type offer struct {
	shard  int
	before broker.Cursor
	at     broker.Tick
	json   []byte  // borrowed from the batch; of the next turns their own, whatever the ring has by then
	herds  []*herd // who does not have it yet
}

// A holdTurn is what a turn may still do to hold events back.
type holdTurn struct {
	begin, now time.Time
	left       int // bytes; none when its time is over
	unseen     int // bytes that it took since it looked at the clock
}

// takeOff takes n bytes off what a turn may do.
func (l *loop) takeOff(t *holdTurn, n int) {
	t.left -= n
	if t.unseen += n; t.unseen >= l.pool.options.look {
		if t.unseen = 0; time.Since(t.begin) > l.pool.options.sweepTime {
			t.left = min(t.left, 0)
		}
	}
}

// sweepHolding hands what is new to the conflated herds, as much as a turn may. It returns how
// many events that was, and whether there is more to do at once.
func (l *loop) sweepHolding(now time.Time) (events int, more bool) {
	g, t := &l.holding, &holdTurn{begin: time.Now(), now: now, left: holdBytes}
	if len(g.offer.herds) > 0 {
		l.handOut(t)
		events = 1
	}
	for range g.fronts {
		if t.left <= 0 {
			break
		}
		// Each turn begins behind the shard at which the last one ended.
		shard := l.heldShard
		l.heldShard = (shard + 1) % len(g.fronts)
		f := &g.fronts[shard]
		for f.herds > 0 && t.left > 0 && l.broker.Read(shard, &f.cursor, &l.batch, min(sweepBytes, t.left)) {
			events += l.holdBatch(shard, &l.batch, t)
			l.batch.Release()
		}
	}
	if events > 0 {
		l.stats.sweeps.Add(1)
	}
	return events, t.left <= 0
}

// holdBatch has the herds hold back a batch, event by event, until nothing is left of what
// the turn may do. The front moves with the events, so that each herd stands where it has
// got to whenever it lets go. It returns how many events that was; the last one may be
// handed out only in part.
func (l *loop) holdBatch(shard int, b *broker.Batch, t *holdTurn) int {
	g := &l.holding
	f, o := &g.fronts[shard], &g.offer
	f.cursor = b.Cursor(0)
	if b.Skipped > 0 { // the group was lapped
		for _, h := range g.herds {
			if h.want.view.Shards&(1<<shard) != 0 {
				h.conflation.gap = true
				l.tellSkipped(h, shard, b, t.now)
			}
		}
	}
	for i := range b.Events {
		if t.left <= 0 {
			return i
		}
		f.cursor = b.Cursor(i + 1)
		l.heldEvents++
		o.shard, o.before, o.at, o.json = shard, b.Cursor(i), b.At(i), wire.JSON(b.Event(i))
		o.herds = append(o.herds, f.built...)
		if n := g.matcher.Len(); n > 0 {
			g.ids = g.matcher.Match(o.json, g.ids[:0])
			t.unseen += n * holdLeast // to try one takes about as long as to keep a small event
			l.takeOff(t, len(o.json))
			for _, id := range g.ids {
				for _, h := range g.byID[id].herds {
					if h.want.view.Shards&(1<<shard) != 0 {
						o.herds = append(o.herds, h)
					}
				}
			}
		}
		l.handOut(t)
		if len(o.herds) > 0 {
			o.json = slices.Clone(o.json)
			for _, h := range o.herds {
				h.lacks = true
			}
		}
	}
	return b.Events
}

// handOut has herds hold back the event that is offered to them, until nothing is left of what
// the turn may do.
func (l *loop) handOut(t *holdTurn) {
	o, n := &l.holding.offer, 0
	l.holding.shaper.Begin(1) // herds may have come since the turn before
	for n < len(o.herds) && t.left > 0 {
		h := o.herds[n]
		h.lacks = false // it stands behind the event when it lets go of it
		l.takeOff(t, l.hold(h, o, t.now))
		n++
	}
	o.herds = slices.Delete(o.herds, 0, n)
	o.release()
}

// release lets go of an event that nobody lacks.
func (o *offer) release() {
	if len(o.herds) == 0 {
		o.json = nil
	}
}

// hold takes in an event that is for the herd, and returns how many bytes of a turn that takes.
func (l *loop) hold(h *herd, o *offer, now time.Time) int {
	f, place, json := h.conflation, int32(h.want.place(o.shard)), o.json
	if len(f.held) == 0 {
		f.due = now.Add(f.every)
		if h.format.IDs {
			// If nothing was held, all members have passed everything so far, however long
			// ago the last release was.
			l.placeAt(h.cursors())
			l.place[place] = o.before.Sequence()
			f.base = append(f.base[:0], l.place...)
		}
	}
	key, read := l.keyFor(f, json)
	read += max(len(json), holdLeast)
	if before, ok := f.keys[key]; ok {
		f.held[before].over = true
		f.dead++
	}
	f.keys[key] = int32(len(f.held))
	if h.shape != nil {
		l.shaped = h.group.shaper.Append(l.shaped[:0], json, 0, h.shape)
		json = l.shaped
	}
	if h.format.IDs { // framed when its id is known
		f.data = append(f.data, json...)
	} else {
		f.data = h.format.AppendEvent(f.data, json)
	}
	f.held = append(f.held, heldEvent{end: len(f.data), number: f.next, place: place, seq: o.before.Sequence(), at: o.at})
	f.next++
	f.counts = f.counts[:0]
	if f.dead > 64 && f.dead > len(f.held)/2 {
		f.compact()
	}
	// Herds that hold much let go at once, so that together they hold no more.
	if l.countHeld(f); l.heldMuch() && f.counted > int(l.keepMost)/2/len(l.conflated) {
		read += len(f.data)
		l.giveShares(h, now)
	}
	return read
}
