package ws

import (
	"hash/maphash"
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

// add notes events.
func (l *lately) add(now time.Time, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if len(l.events) == maxLately {
			l.events = l.events[:copy(l.events, l.events[maxLately/2:])]
		}
		l.events = append(l.events, written{hashOf(id), now.Sub(epoch)})
	}
}

// all is the events, to look one up by its hash.
func (l *lately) all(now time.Time) map[eventHash]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[eventHash]bool{}
	for _, w := range l.events[l.expired(now):] {
		found[w.hash] = true
	}
	return found
}

// forget drops what is not lately, and reports whether nothing is left.
func (l *lately) forget(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.expired(now); n == len(l.events) {
		l.events = nil // an array that was large stays large
	} else {
		l.events = l.events[:copy(l.events, l.events[n:])]
	}
	return l.events == nil
}

// expired is how many events are not lately any more. With l locked.
func (l *lately) expired(now time.Time) (n int) {
	for n < len(l.events) && now.Sub(epoch)-l.events[n].at >= guardWindow {
		n++
	}
	return n
}
