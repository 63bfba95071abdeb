package screens

import (
	"runtime"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/broker/sharing"
)

// maxReaders is how many practices are read from the store for replays at once. A reading
// costs processors what is stored; so each rests for as long as it took, up to maxRest, and
// those who open leave half of the processors to others, however often they do.
var maxReaders = max(2, runtime.GOMAXPROCS(0)/2)

const maxRest = 50 * time.Millisecond

// replays reads what is stored of practices, for those who open.
type replays struct {
	stored func(practice string) []session.Event
	rooms  *rooms
	budget *budget

	shared  sharing.Readings[string, *replay] // by practice, folded
	readers chan struct{}                     // full while maxReaders practices are read, or rest
}

// of is what is stored of a practice; the caller releases it. Those who ask at the same
// time share one reading; and only few practices are read at once, so that those who
// open leave the processors to others, too.
func (rs *replays) of(practice string) *replay {
	folded := rs.rooms.fold(practice)
	for {
		r := rs.shared.Do(folded, func() *replay { return rs.read(practice) })
		if r == nil || r.retain() {
			return r
		}
	}
}

// read is nil if nothing is stored. The room has the reference.
func (rs *replays) read(practice string) *replay {
	rs.readers <- struct{}{}
	begin := time.Now()
	defer func() { time.AfterFunc(min(time.Since(begin), maxRest), func() { <-rs.readers }) }()
	events := rs.stored(practice)
	room := rs.rooms.of(practice)
	if room == nil {
		return nil // the socket is gone already
	}
	room.mu.Lock()
	earlier := room.latest
	if !earlier.retain() {
		earlier = nil
	}
	room.mu.Unlock()
	var r *replay
	if len(events) > 0 {
		r = rs.budget.newReplay(events, earlier)
	}
	earlier.release()
	room.mu.Lock()
	before := room.latest
	room.latest, room.latestAt = r, time.Now()
	room.mu.Unlock()
	before.release()
	return r
}
