package screens

import (
	"sync"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/broker/sharing"
)

const (
	// maxReadings is how many practices are read from the store at once, for replays.
	maxReadings = 64
	// slowReading is how long the reading of a practice takes that is one of the slow. It
	// rests for as long afterwards, longestRest at most: who opens meanwhile shares the next.
	slowReading = 5 * time.Millisecond
	longestRest = time.Second
	// maxSlow is how many of them are known. They take place in turns, so that others need
	// not wait for them, and are not many at once.
	maxSlow = 1024
)

// replays reads what is stored of practices, for those who open.
type replays struct {
	stored func(practice string) []session.Event
	rooms  *rooms
	budget *budget

	shared sharing.Readings[string, *replay] // by practice, folded
	places chan struct{}                     // full while maxReadings practices are read
	turns  turns                             // of the slow ones

	mu   sync.Mutex // guards slow
	slow map[string]struct{}
}

// of is what is stored of a practice; the caller releases it. Those who ask at the same
// time share one reading.
func (rs *replays) of(practice string) *replay {
	folded := rs.rooms.fold(practice)
	for {
		r := rs.shared.DoAndRest(folded, func() (*replay, time.Duration) { return rs.read(practice, folded) })
		if r == nil || r.retain() {
			return r
		}
	}
}

// read returns a replay, nil if nothing is stored, and how long the practice rests after it. The
// room has the reference.
func (rs *replays) read(practice, folded string) (r *replay, rest time.Duration) {
	if rs.isSlow(folded) {
		rs.turns.do(func() { r, rest = rs.timed(practice, folded) })
		return r, rest
	}
	rs.places <- struct{}{}
	defer func() { <-rs.places }()
	return rs.timed(practice, folded)
}

// timed reads, notes how long it took, and returns for how long the practice rests.
func (rs *replays) timed(practice, folded string) (*replay, time.Duration) {
	begin := time.Now()
	r := rs.renew(practice)
	took := time.Since(begin)
	slow := took >= slowReading
	rs.note(folded, slow)
	if !slow {
		return r, 0
	}
	return r, min(took, longestRest)
}

func (rs *replays) isSlow(folded string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	_, slow := rs.slow[folded]
	return slow
}

func (rs *replays) note(folded string, slow bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !slow {
		delete(rs.slow, folded)
		return
	}
	if rs.slow == nil {
		rs.slow = make(map[string]struct{})
	}
	rs.slow[folded] = struct{}{}
	for other := range rs.slow { // any
		if len(rs.slow) <= maxSlow {
			break
		}
		delete(rs.slow, other)
	}
}

// renew reads what is stored, and makes it the room's latest replay.
func (rs *replays) renew(practice string) *replay {
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
