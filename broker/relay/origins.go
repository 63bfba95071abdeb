package relay

import (
	"sync/atomic"
	"time"
)

const (
	maxOrigins   = 1024             // instances that are told apart at the same time
	originMemory = 10 * time.Minute // how long a silent one is remembered
)

// origins are the other instances that a receiver tells apart. They belong to one
// goroutine, but for here.
type origins[ID comparable] struct {
	known map[ID]*origin
	here  atomic.Int64 // those that have not said farewell
}

// origin is what a receiver knows about another instance.
type origin struct {
	places map[int]place // by its shard; of session events there is one
	seen   time.Time
	gone   bool // it said farewell
}

// A place is where a receiver stands in one shard of an origin.
type place struct {
	next   uint64 // sequence expected
	term   uint64 // of the subscription in which that was
	behind run    // what came last, if all of it was seen before
}

// A run is messages with events, each after the one before it, that were all seen
// before: nothing new came in between.
type run struct {
	first, next uint64
	messages    int
	since       time.Time
}

// A longer run than this is not of duplicates. What an origin sends again are
// maxPipeline messages for each connection that it lost, and those may come late, when
// the origin itself has gone on; where all its shards are silent, it tells every
// second where it is.
const (
	longRun     = 4 * maxPipeline
	longRunTime = 5 * announce
)

// strayed notes a message of which all was seen before. It reports whether the origin
// itself is there, so that only somebody else can have led the receiver to its place.
// Then the place is where the run began: what was passed over since is missing.
func (p *place) strayed(first uint64, events int, now time.Time) bool {
	next := first + uint64(events)
	switch b := &p.behind; {
	case next == p.next: // the origin was here
		*b = run{}
		return false
	case events == 0: // it may be told that again and again, while the carrier is ill
		return false
	case b.messages == 0 || first < b.next || first-b.first > maxGap:
		*b = run{first, next, 1, now}
		return false
	default:
		b.next = next
		b.messages++
	}
	if p.behind.messages <= longRun || now.Sub(p.behind.since) <= longRunTime {
		return false
	}
	*p = place{next: p.behind.first, term: p.term}
	return true
}

// hear finds what is known of an instance that is heard now.
func (o *origins[ID]) hear(id ID, now time.Time) *origin {
	found := o.known[id]
	if found == nil {
		if len(o.known) >= maxOrigins {
			o.forget(now)
		}
		if o.known == nil {
			o.known = make(map[ID]*origin)
		}
		found = &origin{places: make(map[int]place), gone: true}
		o.known[id] = found
	}
	if found.gone {
		found.gone = false
		o.here.Add(1)
	}
	found.seen = now
	return found
}

// part notes that an instance said farewell.
func (o *origins[ID]) part(id ID) {
	if found := o.known[id]; found != nil && !found.gone {
		found.gone = true
		o.here.Add(-1)
	}
}

// forget makes room: the silent ones go, or else the one silent for longest.
func (o *origins[ID]) forget(now time.Time) {
	var oldest ID
	since := now
	for id, known := range o.known {
		if now.Sub(known.seen) > originMemory {
			o.drop(id)
		} else if !known.seen.After(since) {
			oldest, since = id, known.seen
		}
	}
	if len(o.known) >= maxOrigins {
		o.drop(oldest)
	}
}

func (o *origins[ID]) drop(id ID) {
	o.part(id)
	delete(o.known, id)
}
