package ring_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"event-dispatcher/broker/ring"
)

// Ten events, a gap of 5 after the sixth, in segments of four: the window holds
// events 4, 5, the gap, and all after it.
func TestFind(t *testing.T) {
	for _, first := range []uint64{0, 1000, math.MaxUint64 - 7} {
		r := ring.New(ring.Options{SegmentBytes: 64, Window: 3, Spares: 2, FirstSequence: first})
		publish(t, r, "0", "1", "2", "3", "4", "5")
		skip(t, r, 5) // 6 to 10
		publish(t, r, "11", "12", "13", "14", "15")
		for _, tt := range []struct {
			at      int // relative to the first sequence
			known   bool
			want    []string
			skipped uint64
		}{
			{-1, false, nil, 0}, // before there was a ring
			{0, true, []string{"4", "5", "11", "12", "13", "14", "15"}, 4 + 5},
			{3, true, []string{"4", "5", "11", "12", "13", "14", "15"}, 1 + 5},
			{4, true, []string{"4", "5", "11", "12", "13", "14", "15"}, 5},
			{5, true, []string{"5", "11", "12", "13", "14", "15"}, 5},
			{6, true, []string{"11", "12", "13", "14", "15"}, 5},
			{8, true, []string{"11", "12", "13", "14", "15"}, 3},
			{11, true, []string{"11", "12", "13", "14", "15"}, 0},
			{14, true, []string{"14", "15"}, 0},
			{15, true, []string{"15"}, 0},
			{16, true, nil, 0},   // all read
			{17, false, nil, 0},  // not given out yet
			{1e6, false, nil, 0}, // nor this
		} {
			t.Run(fmt.Sprintf("first=%d/at=%d", first, tt.at), func(t *testing.T) {
				seq := first + uint64(tt.at)
				c, known := r.Find(seq)
				if known != tt.known {
					t.Fatalf("Find(%d) = %v; want %v", seq, known, tt.known)
				}
				if !known {
					return
				}
				if c.Sequence() != seq {
					t.Errorf("Find(%d).Sequence() = %d", seq, c.Sequence())
				}
				if got := r.Pending(c); got != (tt.at < 16) {
					t.Errorf("Pending() = %v; want %v", got, tt.at < 16)
				}
				if got, skipped := readAll(r, &c); !slices.Equal(got, tt.want) || skipped != tt.skipped {
					t.Errorf("read %q, skipped %d; want %q, %d", got, skipped, tt.want, tt.skipped)
				}
				if got := r.Pins(); got != 0 {
					t.Errorf("pins = %d; want 0", got)
				}
			})
		}
	}
}

// A cursor of any age is found again as what it was, or as lapped.
func TestFindGivesBackWhereAReaderStood(t *testing.T) {
	r := small(3)
	var at []ring.Cursor
	for i := range 100 {
		at = append(at, r.Head())
		publish(t, r, fmt.Sprint(i))
	}
	for i, c := range at {
		again, known := r.Find(c.Sequence())
		want, skipped := readAll(r, &c)
		if got, gotSkipped := readAll(r, &again); !known || !slices.Equal(got, want) || gotSkipped != skipped {
			t.Errorf("from %d: Find() = %v, then read %q, skipped %d; want %q, %d", i, known, got, gotSkipped, want, skipped)
		}
	}
}

// No reader can have passed an event that is not committed, so nobody asks
// honestly for one behind it; except who joined there.
func TestFindKnowsNothingBehindAHole(t *testing.T) {
	r := small(3)
	publish(t, r, "before")
	hole, err := r.Reserve(4)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, r, "after")
	for seq, want := range []bool{true, true, false, true, false} {
		if _, known := r.Find(uint64(seq)); known != want {
			t.Errorf("Find(%d) with a hole at 1 = %v; want %v", seq, known, want)
		}
	}
	hole.Commit(0, []byte("hole"))
	c, known := r.Find(2)
	if got, _ := readAll(r, &c); !known || !slices.Equal(got, []string{"after"}) {
		t.Errorf("Find(2) without the hole = %v, then read %q; want [after]", known, got)
	}
}
