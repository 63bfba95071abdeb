package screens

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker/session"
)

// Practices whose reading takes long are read in turns; others do not wait for them.
func TestSlowPracticesAreReadInTurns(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	var reading, most atomic.Int32
	hold := make(chan struct{})
	rs := &h.replays
	rs.stored = func(practice string) []session.Event {
		if practice == "quick" {
			return nil
		}
		n := reading.Add(1)
		defer reading.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hold
		return nil
	}
	for n := range 2 * cap(rs.turns) {
		rs.note(fmt.Sprint("slow", n), true)
	}
	var all sync.WaitGroup
	for n := range 2 * cap(rs.turns) {
		all.Go(func() { rs.of(fmt.Sprint("slow", n)) })
	}
	for reading.Load() < int32(cap(rs.turns)) {
		time.Sleep(time.Millisecond)
	}
	if r := rs.of("quick"); r != nil {
		t.Error("nothing is stored of a practice, and there is a replay")
	}
	close(hold)
	all.Wait()
	if n := most.Load(); n > int32(cap(rs.turns)) {
		t.Errorf("%d slow practices were read at once; want %d at most", n, cap(rs.turns))
	}
}

func TestAPracticeIsSlowWhileItsReadingTakesLong(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	rs := &h.replays
	pause := 2 * slowReading
	rs.stored = func(string) []session.Event { time.Sleep(pause); return nil }
	_, rest := rs.read("P", "p")
	if !rs.isSlow("p") || rest < pause || rest > longestRest {
		t.Errorf("a practice whose reading took %v or more is slow: %v, and rests for %v; want true, as long, %v at most", pause, rs.isSlow("p"), rest, longestRest)
	}
	rs.note("p", false)
	if rs.isSlow("p") {
		t.Error("a practice that is read quickly again is taken for slow")
	}
	for n := range 3 * maxSlow {
		rs.note(fmt.Sprint(n), true)
	}
	if n := len(rs.slow); n != maxSlow {
		t.Errorf("%d slow practices are known; want %d", n, maxSlow)
	}
}
