package access

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"
)

// A reign is the state that is in force, and the streams that it lets go on. Both change
// together: no stream begins by what is not in force any more, and is missed.
type reign struct {
	now atomic.Pointer[state] // stored with mu held

	mu     sync.Mutex
	lives  map[*life]struct{} // those with streams
	expiry lifeHeap           // those of them that expire

	ended [Revoked + 1]atomic.Uint64 // streams
}

// begin puts a state in force and ends the streams that it does not let go on.
func (r *reign) begin(next *state) (ended int) {
	var over []*Watch
	r.mu.Lock()
	r.now.Store(next)
	for l := range r.lives {
		to := next.find(l.grant)
		if !l.grant.stillStands(to) {
			over = append(over, r.endLocked(l)...)
			continue
		}
		// Only the end may be another.
		l.grant = to
		r.sortLocked(l)
	}
	r.mu.Unlock()
	return r.tell(over, Revoked)
}

// expire ends the streams whose time is over.
func (r *reign) expire(now time.Time) (ended int) {
	var over []*Watch
	r.mu.Lock()
	for len(r.expiry) > 0 && r.expiry[0].grant.expired(now) {
		over = append(over, r.endLocked(r.expiry[0])...)
	}
	r.mu.Unlock()
	return r.tell(over, Expired)
}

// streams is how many there are.
func (r *reign) streams() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.lives {
		n += len(l.watches)
	}
	return n
}

// A life is that of the streams that were opened with one grant.
type life struct {
	// Guarded by the reign's mu.
	grant   *Grant // as it is now
	at      int    // in the reign's expiry; -1: not there
	watches []*Watch
}

// A Watch waits for the end of a grant on behalf of one stream.
type Watch struct {
	reign *reign // fixed

	// Guarded by the reign's mu.
	life *life // nil: over
	at   int   // in life.watches

	mu    sync.Mutex // guards what follows; nothing is taken or called within
	ended func(Ending)
	why   Ending // 0: the grant has not ended
}

// Ends binds the end of a grant to that of a stream which may not be served yet. What it
// returns is to be called once it is, with what ends it: end is then called with one of
// the reasons, once, when the grant ends, or at once if it has. It must not wait.
func Ends[Reason any](w *Watch, expired, revoked Reason) (bind func(end func(Reason))) {
	return func(end func(Reason)) {
		w.then(func(why Ending) {
			if why == Expired {
				end(expired)
			} else {
				end(revoked)
			}
		})
	}
}

// then has ended called at the end of the grant.
func (w *Watch) then(ended func(Ending)) {
	w.mu.Lock()
	w.ended = ended
	why := w.why
	w.mu.Unlock()
	if why != 0 {
		ended(why)
	}
}

// tell says that the grant has ended.
func (w *Watch) tell(why Ending) {
	w.mu.Lock()
	w.why = why
	ended := w.ended
	w.mu.Unlock()
	if ended != nil {
		ended(why)
	}
}

// watch waits for when a stream that was opened with grant may not go on. It reports
// false if that moment has passed.
func (r *reign) watch(grant *Grant) (*Watch, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := grant.life
	// The file may have changed since the grant was given.
	to := r.now.Load().find(grant)
	if !grant.stillStands(to) || to.expired(time.Now()) {
		return nil, false
	}
	w := &Watch{reign: r, life: l, at: len(l.watches)}
	l.watches = append(l.watches, w)
	if w.at == 0 {
		if r.lives == nil {
			r.lives = map[*life]struct{}{}
		}
		l.grant = to
		r.lives[l] = struct{}{}
		r.sortLocked(l)
	}
	return w, true
}

// Stop ends the watch. Calling it again, or on a nil Watch, does nothing.
func (w *Watch) Stop() {
	if w == nil {
		return
	}
	w.reign.mu.Lock()
	defer w.reign.mu.Unlock()
	l := w.life
	if l == nil {
		return
	}
	w.life = nil
	last := len(l.watches) - 1
	l.watches[w.at] = l.watches[last]
	l.watches[w.at].at = w.at
	l.watches[last] = nil
	if l.watches = l.watches[:last]; last == 0 {
		w.reign.endLocked(l)
	}
}

// endLocked forgets a life, and returns who is to be told.
func (r *reign) endLocked(l *life) []*Watch {
	over := l.watches
	l.watches = nil
	for _, w := range over {
		w.life = nil
	}
	delete(r.lives, l)
	if l.at >= 0 {
		heap.Remove(&r.expiry, l.at)
	}
	return over
}

// sortLocked puts a life where it belongs in the order of expiry.
func (r *reign) sortLocked(l *life) {
	switch expires := !l.grant.expires.IsZero(); {
	case expires && l.at < 0:
		heap.Push(&r.expiry, l)
	case expires:
		heap.Fix(&r.expiry, l.at)
	case l.at >= 0:
		heap.Remove(&r.expiry, l.at)
	}
}

// tell calls everybody without holding a lock: they may call Stop.
func (r *reign) tell(over []*Watch, why Ending) int {
	r.ended[why].Add(uint64(len(over)))
	for _, w := range over {
		w.tell(why)
	}
	return len(over)
}

// A lifeHeap has the life that ends first at its root.
type lifeHeap []*life

func (h lifeHeap) Len() int           { return len(h) }
func (h lifeHeap) Less(i, j int) bool { return h[i].grant.expires.Before(h[j].grant.expires) }
func (h lifeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].at, h[j].at = i, j }
func (h *lifeHeap) Push(x any)        { l := x.(*life); l.at = len(*h); *h = append(*h, l) }
func (h *lifeHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h, l.at = (*h)[:last], -1
	return l
}
