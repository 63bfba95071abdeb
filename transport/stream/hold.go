package stream

import (
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
	// holdLook is after how many events a turn looks how long it has taken.
	holdLook = 16
)

// sweepHolding hands what is new to the conflated herds, as much as a turn may. It returns how
// many events that was, and whether there is more to do at once.
func (l *loop) sweepHolding(now time.Time) (events int, more bool) {
	g, left, begin := &l.holding, holdBytes, time.Now()
	for range g.fronts {
		// Each turn begins behind the shard at which the last one ended.
		shard := l.heldShard
		l.heldShard = (shard + 1) % len(g.fronts)
		f := &g.fronts[shard]
		for f.herds > 0 && left > 0 && l.broker.Read(shard, &f.cursor, &l.batch, min(sweepBytes, left)) {
			events += l.holdBatch(shard, &l.batch, &left, begin, now)
			l.batch.Release()
		}
		if left <= 0 {
			break
		}
	}
	if events > 0 {
		l.stats.sweeps.Add(1)
	}
	return events, left <= 0
}

// holdBatch has the herds hold back a batch, event by event, until nothing is left of what
// the turn may read. The front moves with the events, so that each herd stands where it has
// got to whenever it lets go. It returns how many events that was.
func (l *loop) holdBatch(shard int, b *broker.Batch, left *int, begin, now time.Time) int {
	g := &l.holding
	f := &g.fronts[shard]
	f.cursor = b.Cursor(0)
	if b.Skipped > 0 { // the group was lapped
		for _, h := range g.herds {
			if h.want.view.Shards&(1<<shard) != 0 {
				l.tellSkipped(h, shard, b, now)
			}
		}
	}
	for i := range b.Events {
		if *left <= 0 {
			return i
		}
		f.cursor = b.Cursor(i + 1)
		if l.heldEvents++; l.heldEvents%holdLook == 0 && time.Since(begin) > l.pool.options.sweepTime {
			*left = 0 // matching takes long: this one is the last
		}
		json := wire.JSON(b.Event(i))
		for _, h := range f.built {
			*left -= l.hold(h, shard, b, i, json, now)
		}
		if g.matcher.Len() == 0 {
			continue
		}
		*left -= len(json)
		g.ids = g.matcher.Match(json, g.ids[:0])
		for _, id := range g.ids {
			for _, h := range g.byID[id].herds {
				if h.want.view.Shards&(1<<shard) != 0 {
					*left -= l.hold(h, shard, b, i, json, now)
				}
			}
		}
	}
	return b.Events
}

// hold takes in an event of a batch that is for the herd, and returns how many bytes of a
// turn that takes.
func (l *loop) hold(h *herd, shard int, b *broker.Batch, i int, json []byte, now time.Time) int {
	f, place := h.conflation, int32(h.want.place(shard))
	if len(f.held) == 0 {
		f.due = now.Add(f.every)
		if h.format.IDs {
			// If nothing was held, all members have passed everything so far, however long
			// ago the last release was.
			l.placeAt(h.cursors())
			l.place[place] = b.Cursor(i).Sequence()
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
