package relay

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
)

// What has left the inbox makes room, however much comes in all.
func TestInboxTakesWhatFitsBesideWhatWaits(t *testing.T) {
	b := newInbox(4)
	half := strings.Repeat("x", inboxBytes/2)
	for round := range 3 {
		for range 3 {
			b.put(arrival{text: half})
		}
		if got, want := b.overflows.Load(), uint64(round+1); got != want || len(b.arrivals) != 2 {
			t.Fatalf("round %d: %d messages overflowed, %d wait; want %d, 2", round, got, len(b.arrivals), want)
		}
		for range 2 {
			b.took(<-b.arrivals)
		}
	}
	for range 5 { // small ones, but too many
		b.put(arrival{text: "x"})
	}
	if got := b.overflows.Load(); got != 4 || b.waiting.Load() != 4 {
		t.Errorf("%d messages overflowed, %d bytes wait; want 4, 4", got, b.waiting.Load())
	}
}

// What does not fit is one gap of many messages, not many gaps of few.
func TestAFullInboxTakesNothingUntilItIsHalfEmpty(t *testing.T) {
	b := newInbox(8)
	for range 9 {
		b.put(arrival{text: "x"})
	}
	for range 3 {
		b.took(<-b.arrivals)
		b.put(arrival{text: "x"})
	}
	if got := b.overflows.Load(); got != 4 || len(b.arrivals) != 5 {
		t.Errorf("%d messages overflowed, %d wait; want 4, 5", got, len(b.arrivals))
	}
	b.took(<-b.arrivals)
	for range 4 {
		b.put(arrival{text: "x"})
	}
	if got := b.overflows.Load(); got != 4 || len(b.arrivals) != 8 || b.waiting.Load() != 8 {
		t.Errorf("%d messages overflowed, %d wait, %d bytes; want 4, 8, 8", got, len(b.arrivals), b.waiting.Load())
	}
}

// What was lost last is asked for when the inbox is empty, though no later message tells of it.
func TestALostTailIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missed := 0
		s := &subscriber{inbox: newInbox(4)}
		r := sessionReceiver{from: s, log: zap.NewNop(), missed: func() { missed++ }}
		for range 6 {
			s.inbox.put(arrival{text: "x"})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.run(ctx); close(ended) }()
		synctest.Wait()
		if missed != 1 {
			t.Errorf("behind 2 messages that were lost last, missed is called %d times; want once", missed)
		}
		s.inbox.put(arrival{text: "x"})
		synctest.Wait()
		cancel()
		<-ended
		if missed != 1 {
			t.Errorf("behind one more message missed was called %d times; want once", missed)
		}
	})
}
