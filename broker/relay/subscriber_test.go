package relay

import (
	"strings"
	"testing"
)

// What has left the inbox makes room, however much comes in all.
func TestInboxTakesWhatFitsBesideWhatWaits(t *testing.T) {
	s := subscriber{inbox: make(chan string, 3)}
	half := strings.Repeat("x", inboxBytes/2)
	for round := range 3 {
		for range 3 {
			s.put(half)
		}
		if got, want := s.overflows.Load(), uint64(round+1); got != want || len(s.inbox) != 2 {
			t.Fatalf("round %d: %d messages overflowed, %d wait; want %d, 2", round, got, len(s.inbox), want)
		}
		for range 2 {
			s.took(<-s.inbox)
		}
	}
	for range 4 { // small ones, but too many
		s.put("x")
	}
	if got := s.overflows.Load(); got != 4 || s.waiting.Load() != 3 {
		t.Errorf("%d messages overflowed, %d bytes wait; want 4, 3", got, s.waiting.Load())
	}
}
