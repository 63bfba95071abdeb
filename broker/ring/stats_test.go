package ring_test

import (
	"testing"

	"event-dispatcher/broker/ring"
)

func TestStats(t *testing.T) {
	memory := int64(5 * ring.SegmentMemory(64))
	for _, tt := range []struct {
		name string
		do   func(r *ring.Ring)
		want ring.Stats
	}{
		{"empty", func(*ring.Ring) {}, ring.Stats{Allocated: memory}},
		{"three events", func(r *ring.Ring) { publishAt(t, r, 7, 8, 9) },
			ring.Stats{Published: 3, Retained: 3, Bytes: 6, Allocated: memory, Oldest: 7, Anything: true}},
		{"lapped", func(r *ring.Ring) { publishAt(t, r, 1, 2, 3, 4, 5, 6, 7, 8, 9) },
			ring.Stats{Published: 9, Retained: 5, Bytes: 10, Allocated: memory, Oldest: 5, Anything: true}},
		{"skip first", func(r *ring.Ring) { skip(t, r, 5); publishAt(t, r, 7) },
			ring.Stats{Published: 6, Retained: 6, Bytes: 2, Allocated: memory, Oldest: 7, Anything: true}},
		{"skip last", func(r *ring.Ring) { publishAt(t, r, 7); skip(t, r, 5) },
			ring.Stats{Published: 6, Retained: 6, Bytes: 2, Allocated: memory, Oldest: 7, Anything: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ring.New(ring.Options{SegmentBytes: 64, Window: 2, Spares: 3, FirstSequence: 1000})
			tt.do(r)
			if got := r.Stats(); got != tt.want {
				t.Errorf("Stats() = %+v; want %+v", got, tt.want)
			}
			if got := r.Pins(); got != 0 {
				t.Errorf("pins after Stats = %d; want 0", got)
			}
		})
	}
}

func publishAt(t *testing.T, r *ring.Ring, ticks ...ring.Tick) {
	t.Helper()
	for _, at := range ticks {
		if err := r.Publish(at, []byte("ee")); err != nil {
			t.Fatal(err)
		}
	}
}

// Without readers that hold on, and publishers that are frozen, the spares rest.
func TestSparesAreUsedOnlyWhenTheyAreNeeded(t *testing.T) {
	r := small(4)
	if got := r.Used(); got != 1 {
		t.Errorf("segments used of an empty ring = %d; want 1", got)
	}
	for range 1000 {
		publish(t, r, "event")
	}
	// The window, and the one that is linked before the oldest is retired.
	if got := r.Used(); got != 5 {
		t.Errorf("segments used by 1000 events, without readers = %d; want 5", got)
	}
}
