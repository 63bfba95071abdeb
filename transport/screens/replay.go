package screens

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/session"
)

// A replay is what was stored of a practice's active users at some moment. It is
// never modified: all sockets that open at that moment share it, and replays of
// other moments share the frames that are in both.
type replay struct {
	events []*frame     // each with a reference
	bySlot []int32      // indexes into events, in the order of their slots
	budget *budget      // has the bytes of both, until the last reference is given back
	refs   atomic.Int32 // sockets, and the room while it is the latest
}

// size is of the lists, without the frames.
func (r *replay) size() int64 {
	const place = 12 // of an event
	return frameOverhead + place*int64(len(r.events))
}

// crowdedAfter is for how long a replay is kept at least, where replays take too much memory.
const crowdedAfter = 2 * time.Second

// isOver reports whether nothing that was on its way when somebody opened can bring an event
// of the replay again.
func (r *replay) isOver(opened, now time.Time) bool { return now.Sub(opened) > session.OnItsWay }

// isCrowded reports whether it must be let go of, because replays take too much memory.
func (r *replay) isCrowded(opened, now time.Time) bool {
	return now.Sub(opened) > crowdedAfter && r.budget.crowded()
}

// newReplay makes a replay of events, one of each slot, with what it can take from
// an earlier one. It returns the earlier one if nothing has changed. The caller has a
// reference to each.
func (b *budget) newReplay(events []session.Event, earlier *replay) *replay {
	r := &replay{events: make([]*frame, len(events)), bySlot: make([]int32, len(events)), budget: b}
	crowded := b.crowded() // then what is given up stays so
	r.refs.Store(1)
	same := len(events) == earlier.len()
	for i, e := range events {
		e.Origin = ""
		r.bySlot[i] = int32(i)
		sum := sumOf(e)
		if same && earlier.events[i].is(e, sum, crowded) {
			r.events[i] = earlier.events[i].share()
			continue
		}
		same = false
		if old, found := earlier.find(slotOf(e)); found && earlier.events[old].is(e, sum, crowded) {
			r.events[i] = earlier.events[old].share()
		} else {
			r.events[i] = b.newFrame(e, true)
		}
	}
	if same && earlier.retain() {
		b.list(r.size()) // which release gives back
		r.release()
		return earlier
	}
	b.list(r.size())
	slices.SortFunc(r.bySlot, func(a, b int32) int { return r.events[a].slot.compare(r.events[b].slot) })
	return r
}

// is reports whether a frame is that of an event with a sum, and still there, or may be lost.
func (f *frame) is(e session.Event, sum uint64, lost bool) bool {
	return f.id == e.ID && f.at == e.At && f.sum == sum && (lost || !f.lost())
}

// share takes another reference.
func (f *frame) share() *frame {
	f.refs.Add(1)
	return f
}

// retain takes a reference, unless the last one has been given back.
func (r *replay) retain() bool {
	if r == nil {
		return false
	}
	for {
		n := r.refs.Load()
		if n == 0 {
			return false
		}
		if r.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back. What is known of the events remains, but not their bytes.
func (r *replay) release() {
	if r == nil || r.refs.Add(-1) > 0 {
		return
	}
	for _, f := range r.events {
		f.release()
	}
	r.budget.list(-r.size())
}

func (r *replay) len() int {
	if r == nil {
		return 0
	}
	return len(r.events)
}

// find is the index of a slot's event.
func (r *replay) find(of slot) (index int32, found bool) {
	if r == nil {
		return 0, false
	}
	at, found := slices.BinarySearchFunc(r.bySlot, of, func(i int32, of slot) int { return r.events[i].slot.compare(of) })
	if !found {
		return 0, false
	}
	return r.bySlot[at], true
}

func (a slot) compare(b slot) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.action, b.action))
}

// A share is a socket's part in a replay: all but what is left out.
type share struct {
	*replay
	without marks // not modified after begin
}

// has reports whether the event is in the share of a user.
func (r share) has(index int32, user string) bool {
	return !r.without.has(index) && r.events[index].isFor(user)
}

// from is the first index that is in the share, from i on.
func (r share) from(i int32, user string) int32 {
	for int(i) < r.len() && !r.has(i, user) {
		i++
	}
	return i
}
