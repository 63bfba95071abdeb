package screens

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// guardWindow is for how long an event is not replayed to a user that got it.
	guardWindow = 3 * time.Second
	// maxLately is how many live events of a user are remembered at most; never less
	// than half of it are, if there were as many and the budget has room for them.
	maxLately = 4096
	// minLately is for how many there is always room.
	minLately = 16
)

// lately is which stored events were written to a user's sockets in the last
// guardWindow. It is the loop guard: the known browser client opens a new socket
// whenever it gets an event, and would get that event again for ever.
//
// What was replayed is remembered as places in the replay that the user's latest socket
// began with: once, however many sockets it was written to.
type lately struct {
	some atomic.Bool // anything is remembered; set and cleared with mu

	mu       sync.Mutex // guards what follows
	budget   *budget    // counts events' array; nil without one
	events   []written  // oldest first; nil if there are none
	replay   *replay    // nil: there are no spans
	replayed spans      // of it
}

// written is writtenBytes for an event that was written.
type written struct {
	hash eventHash
	at   time.Duration // since epoch
}

const writtenBytes = 16

// An eventHash is that of an event's id.
type eventHash uint64

var (
	seed  = maphash.MakeSeed()
	epoch = time.Now()
)

func hashOf(id string) eventHash { return eventHash(maphash.String(seed, id)) }

// add notes the stored ones among frames.
func (l *lately) add(now time.Time, frames []*frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range frames {
		if f.slot != (slot{}) {
			l.noteLocked(f, now.Sub(epoch))
		}
	}
}

// noteLocked remembers an event by its hash. Where there is no room for one more, the older
// half is forgotten.
func (l *lately) noteLocked(f *frame, at time.Duration) {
	if n := len(l.events); n == cap(l.events) && !l.growLocked(f.budget) {
		l.events = l.events[:copy(l.events, l.events[n/2:])]
	}
	l.events = append(l.events, written{f.hash, at})
	l.some.Store(true)
}

// growLocked doubles the room, if it may.
func (l *lately) growLocked(b *budget) bool {
	n := max(minLately, 2*cap(l.events))
	if n > maxLately || !b.remember((n-cap(l.events))*writtenBytes, n == minLately) {
		return false
	}
	l.budget = b
	l.events = append(make([]written, 0, n), l.events...)
	return true
}

// fitLocked gives room back that is not needed.
func (l *lately) fitLocked() {
	switch n, room := len(l.events), cap(l.events); {
	case n == 0 && room > 0:
		l.budget.forget(room * writtenBytes)
		l.budget, l.events = nil, nil
	case n < room/4 && room > minLately:
		fit := max(minLately, 2*n)
		l.budget.forget((room - fit) * writtenBytes)
		l.events = append(make([]written, 0, fit), l.events...)
	}
}

// addShare notes the events of a share from index first to before end.
func (l *lately) addShare(now time.Time, s share, first, end int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.replay == nil {
		l.replay = s.replay
	}
	s.without.gaps(first, end, func(first, end int32) { l.putLocked(s.replay, span{first, end, now.Sub(epoch)}) })
}

// putLocked remembers a span of a replay.
func (l *lately) putLocked(r *replay, p span) {
	l.some.Store(true)
	if r == l.replay {
		l.replayed.put(p)
		return
	}
	for _, f := range r.events[p.first:p.end] {
		if i, found := l.replay.find(f.slot); found && l.replay.events[i].id == f.id {
			l.replayed.put(span{i, i + 1, p.at})
		} else {
			l.noteLocked(f, p.at)
		}
	}
}

// of is which events of a replay were written lately; nil: none. What is replayed from now on
// is remembered as its, too.
func (l *lately) of(r *replay, now time.Time) (found marks) {
	if r == nil || !l.some.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(now)
	if before, spans := l.replay, l.replayed; before != r {
		l.replay, l.replayed = r, nil
		for _, p := range spans {
			l.putLocked(before, p)
		}
		slices.SortStableFunc(l.events, func(a, b written) int { return cmp.Compare(a.at, b.at) })
	}
	if len(l.replayed)+len(l.events) == 0 {
		return nil
	}
	found = newMarks(r.len())
	for _, p := range l.replayed {
		found.setAll(p.first, p.end)
	}
	if len(l.events) == 0 {
		return found
	}
	hashes := make(map[eventHash]struct{}, len(l.events))
	for _, w := range l.events {
		hashes[w.hash] = struct{}{}
	}
	for i, f := range r.events {
		if _, ok := hashes[f.hash]; ok {
			found.set(int32(i))
		}
	}
	return found
}

// forget drops what is not lately.
func (l *lately) forget(now time.Time) {
	if !l.some.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(now)
	l.some.Store(l.events != nil || l.replayed != nil)
}

// expireLocked drops what is not lately.
func (l *lately) expireLocked(now time.Time) {
	old := now.Sub(epoch) - guardWindow
	l.events = slices.DeleteFunc(l.events, func(w written) bool { return w.at <= old })
	l.replayed = slices.DeleteFunc(l.replayed, func(p span) bool { return p.at <= old })
	l.fitLocked()
	if len(l.replayed) == 0 {
		l.replay, l.replayed = nil, nil
	}
}
