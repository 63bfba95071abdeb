package stream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// A wanted view is one that consumers have, the same for all of them.
type wanted struct {
	view   view.View // fixed
	shards []int     // of the view, in order; fixed
	users  int       // consumers that have it; guarded by wantedViews.mu
}

// place is where a shard of the view stands among its shards.
func (w *wanted) place(shard int) int { return slices.Index(w.shards, shard) }

// delay is how late events may be. Conflation and compression have intervals of their
// own.
func (w *wanted) delay() time.Duration {
	if w.view.Pace.Every > 0 || w.view.Format.Encoding != wire.Identity {
		return 0
	}
	return w.view.Pace.MaxDelay
}

// wantedViews are the views that consumers have. Each costs every loop something,
// so there is a limit; what those ask for who choose nothing but a wire does not
// count.
type wantedViews struct {
	all    broker.ShardSet
	most   int        // views that count
	dense  int        // compressed ones
	mu     sync.Mutex // guards what follows
	views  map[view.View]*wanted
	chosen int // views that count
	packed int // of compressed streams

	users  [broker.MaxShards]int // of each shard
	shards atomic.Uint64         // those that have any; read without the lock
}

// Demand is the shards that consumers want.
func (p *Pool) Demand() broker.ShardSet { return broker.ShardSet(p.views.shards.Load()) }

// follow notes that a view has a consumer more or less. With the lock held.
func (w *wantedViews) follow(want *wanted, more int) {
	set := w.shards.Load()
	for _, shard := range want.shards {
		if w.users[shard] += more; w.users[shard] > 0 {
			set |= 1 << shard
		} else {
			set &^= 1 << shard
		}
	}
	w.shards.Store(set)
}

// counts reports whether a view counts.
func (w *wantedViews) counts(v view.View) bool {
	return v != view.View{Shards: w.all, Format: v.Format}
}

// use notes one more consumer of a view, or reports that there are too many views.
func (w *wantedViews) use(v view.View) (*wanted, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	want := w.views[v]
	if want == nil {
		if w.counts(v) {
			if w.chosen == w.most {
				return nil, false
			}
			w.chosen++
		}
		if v.Format.Encoding != wire.Identity {
			if w.packed == w.dense {
				if w.counts(v) {
					w.chosen--
				}
				return nil, false
			}
			w.packed++
		}
		want = &wanted{view: v, shards: slices.Collect(v.Shards.All())}
		w.views[v] = want
	}
	want.users++
	w.follow(want, 1)
	return want, true
}

// release notes one consumer less, and reports whether it was the last one of the view.
func (w *wantedViews) release(want *wanted) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follow(want, -1)
	if want.users--; want.users > 0 {
		return false
	}
	delete(w.views, want.view)
	if want.view.Format.Encoding != wire.Identity {
		w.packed--
	}
	if w.counts(want.view) {
		w.chosen--
	}
	return true
}

// len is how many views there are, and how many of them are compressed.
func (w *wantedViews) len() (all, packed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.views), w.packed
}
