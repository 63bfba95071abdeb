package relay

import (
	"strings"
	"testing"
)

// What has left the inbox makes room, however much comes in all.
func TestInboxTakesWhatFitsBesideWhatWaits(t *testing.T) {
	s := subscriber{inbox: make(chan arrival, 4)}
	half := strings.Repeat("x", inboxBytes/2)
	for round := range 3 {
		for range 3 {
			s.put(arrival{text: half})
		}
		if got, want := s.overflows.Load(), uint64(round+1); got != want || len(s.inbox) != 2 {
			t.Fatalf("round %d: %d messages overflowed, %d wait; want %d, 2", round, got, len(s.inbox), want)
		}
		for range 2 {
			s.took(<-s.inbox)
		}
	}
	for range 5 { // small ones, but too many
		s.put(arrival{text: "x"})
	}
	if got := s.overflows.Load(); got != 4 || s.waiting.Load() != 4 {
		t.Errorf("%d messages overflowed, %d bytes wait; want 4, 4", got, s.waiting.Load())
	}
}

// What does not fit is one gap of many messages, not many gaps of few.
func TestAFullInboxTakesNothingUntilItIsHalfEmpty(t *testing.T) {
	s := subscriber{inbox: make(chan arrival, 8)}
	for range 9 {
		s.put(arrival{text: "x"})
	}
	for range 3 {
		s.took(<-s.inbox)
		s.put(arrival{text: "x"})
	}
	if got := s.overflows.Load(); got != 4 || len(s.inbox) != 5 {
		t.Errorf("%d messages overflowed, %d wait; want 4, 5", got, len(s.inbox))
	}
	s.took(<-s.inbox)
	for range 4 {
		s.put(arrival{text: "x"})
	}
	if got := s.overflows.Load(); got != 4 || len(s.inbox) != 8 || s.waiting.Load() != 8 {
		t.Errorf("%d messages overflowed, %d wait, %d bytes; want 4, 8, 8", got, len(s.inbox), s.waiting.Load())
	}
}
