package screens

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

const (
	// guardWindow is for how long an event is not replayed to a user that got it.
	guardWindow = 3 * time.Second
	// maxLately is how many events of a user are remembered at most; never less
	// than half of it are, if there were as many.
	maxLately = 4096
)

// lately is which stored events were written to a user's sockets in the last
// guardWindow. It is the loop guard: the known browser client opens a new socket
// whenever it gets an event, and would get that event again for ever.
type lately struct {
	mu     sync.Mutex
	events []written // oldest first; nil if there are none
	parts  []part    // oldest first; nil if there are none
}

// A part is what was written of a replay at a time.
type part struct {
	share
	first, end int32         // of its indexes
	at         time.Duration // since epoch
}

// written is 16 bytes for an event that was written.
type written struct {
	hash eventHash
	at   time.Duration // since epoch
}

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
		if f.slot == (slot{}) {
			continue
		}
		if len(l.events) == maxLately {
			l.events = l.events[:copy(l.events, l.events[maxLately/2:])]
		}
		l.events = append(l.events, written{f.hash, now.Sub(epoch)})
	}
}

// addShare notes the events of a share from index first to before end.
func (l *lately) addShare(now time.Time, s share, first, end int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parts) == maxLately {
		l.parts = slices.Delete(l.parts, 0, maxLately/2)
	}
	l.parts = append(l.parts, part{s, first, end, now.Sub(epoch)})
}

// all is the events, to look one up by its hash.
func (l *lately) all(now time.Time) map[eventHash]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[eventHash]bool{}
	for _, w := range l.events[expired(l.events, now):] {
		found[w.hash] = true
	}
	for _, p := range l.parts[expired(l.parts, now):] {
		for i := p.first; i < p.end; i++ {
			if _, out := p.without[i]; !out {
				found[p.events[i].hash] = true
			}
		}
	}
	return found
}

// forget drops what is not lately, and reports whether nothing is left.
func (l *lately) forget(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events, l.parts = unexpired(l.events, now), unexpired(l.parts, now)
	return l.events == nil && l.parts == nil
}

func (w written) when() time.Duration { return w.at }
func (p part) when() time.Duration    { return p.at }

// expired is how many of list are not lately any more.
func expired[T interface{ when() time.Duration }](list []T, now time.Time) (n int) {
	for n < len(list) && now.Sub(epoch)-list[n].when() >= guardWindow {
		n++
	}
	return n
}

// unexpired is the others: nil if there are none, since an array that was large
// stays large.
func unexpired[T interface{ when() time.Duration }](list []T, now time.Time) []T {
	if n := expired(list, now); n < len(list) {
		return slices.Delete(list, 0, n)
	}
	return nil
}
