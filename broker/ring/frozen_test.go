package ring_test

import (
	"errors"
	"slices"
	"testing"

	"event-dispatcher/broker/ring"
)

// A publisher is frozen between reservation and commit while the others lap the
// ring many times over.
func TestFrozenPublisherStopsNobodyAndKeepsItsMemory(t *testing.T) {
	r := small(2)
	c := r.Head()
	publish(t, r, "before")
	hole, err := r.Reserve(4)
	if err != nil {
		t.Fatal(err)
	}
	copy(hole.Bytes(), "half")
	publish(t, r, "after")

	if got, _ := readAll(r, &c); !slices.Equal(got, []string{"before"}) {
		t.Fatalf("read up to the hole: %q; want [before]", got)
	}
	if r.Pending(c) {
		t.Error("Pending() at the hole = true; want false: nothing can be read")
	}

	behind := c
	for range 100 {
		publish(t, r, "other")
	}
	if got := string(hole.Bytes()); got != "half" {
		t.Fatalf("reserved memory after 25 laps holds %q; want %q: it was recycled", got, "half")
	}
	if events, skipped := readAll(r, &c); len(events)+int(skipped) != 102 {
		t.Errorf("read %d, skipped %d; want 102 together, the hole among them", len(events), skipped)
	}
	hole.Commit(0, []byte("full")) // too late to be read, but to its own segment

	for range 100 {
		publish(t, r, "other")
	}
	if got, want := r.Used(), 4; got > want {
		t.Errorf("segments used = %d; want at most %d: the window, one in transit and the frozen one", got, want)
	}
	if !r.Pending(behind) {
		t.Error("Pending() of a lapped cursor = false; want true")
	}
}

func TestReadersResumeWhenAHoleIsFilled(t *testing.T) {
	r := small(4)
	c := r.Head()
	first, err := r.Reserve(3)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, r, "two", "three")
	second, err := r.Reserve(4) // the last slot of the segment
	if err != nil {
		t.Fatal(err)
	}
	publish(t, r, "five") // in the next segment

	if got, _ := readAll(r, &c); got != nil {
		t.Errorf("read before the first hole is filled: %q; want nothing", got)
	}
	first.Commit(0, []byte("one"))
	if got, _ := readAll(r, &c); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("read before the second hole is filled: %q; want [one two three]", got)
	}
	second.Commit(0, []byte("four"))
	if got, _ := readAll(r, &c); !slices.Equal(got, []string{"four", "five"}) {
		t.Errorf("read after all holes are filled: %q; want [four five]", got)
	}
}

func TestPinnedSegmentsAreNotRecycled(t *testing.T) {
	r := small(2)
	c := r.Head()
	publish(t, r, "pinned")
	var b ring.Batch
	r.Read(&c, &b, 1<<10)
	for range 100 {
		publish(t, r, "other")
	}
	if string(b.Bytes) != "pinned" {
		t.Errorf("bytes of a batch held over 25 laps = %q; want pinned", b.Bytes)
	}
	b.Release()
}

// Three readers hold the three spares; the fourth replacement finds none.
func TestExhaustedRingRecovers(t *testing.T) {
	r := small(2)
	var held []ring.Batch
	for {
		c := r.Head()
		if err := r.Publish(0, []byte("held")); err != nil {
			if !errors.Is(err, ring.ErrExhausted) {
				t.Fatalf("Publish() = %v; want ErrExhausted", err)
			}
			break
		}
		var b ring.Batch
		r.Read(&c, &b, 1)
		held = append(held, b)
	}
	if got, want := len(held), 5*4; got != want {
		t.Errorf("published %d events while all are held; want %d, all segments full", got, want)
	}
	before, c := r.Stats(), r.Head()
	if before.Exhausted != 1 || before.Published != 20 {
		t.Errorf("Stats() = %+v; want Published 20, Exhausted 1", before)
	}
	if err := r.Skip(3); !errors.Is(err, ring.ErrExhausted) {
		t.Errorf("Skip(3) = %v; want ErrExhausted", err)
	}
	if r.Pending(c) || r.Head() != c {
		t.Error("a refused Skip moved the head")
	}

	for i := range held[:4] {
		if string(held[i].Bytes) != "held" {
			t.Errorf("held batch %d = %q; want held", i, held[i].Bytes)
		}
		held[i].Release()
	}
	publish(t, r, "again")
	if events, skipped := readAll(r, &c); !slices.Equal(events, []string{"again"}) || skipped != 0 {
		t.Errorf("read %q, skipped %d after recovery; want [again], 0", events, skipped)
	}
	for i := range held {
		held[i].Release()
	}
	if got := r.Pins(); got != 0 {
		t.Errorf("pins = %d; want 0", got)
	}
}

// A Skip that finds no segment to go on in has still been recorded, so it must
// not report an error: its caller would try again.
func TestSkipIsRecordedOnceEvenWhenExhausted(t *testing.T) {
	r := small(2)
	c := r.Head()
	publish(t, r, "before")
	release := r.Claim()
	skip(t, r, 3)
	if got := r.Stats().Published; got != 4 {
		t.Errorf("Published after Skip(3) = %d; want 4", got)
	}
	if err := r.Publish(0, []byte("refused")); !errors.Is(err, ring.ErrExhausted) {
		t.Errorf("Publish() = %v; want ErrExhausted", err)
	}
	release()
	publish(t, r, "after")
	if events, skipped := readAll(r, &c); !slices.Equal(events, []string{"before", "after"}) || skipped != 3 {
		t.Errorf("read %q, skipped %d; want [before after], 3", events, skipped)
	}
}

// A publisher that slept since it saw that a segment had no successor must not
// prepare another segment under the same ordinal (invariant 8), nor lose the one
// it claimed meanwhile.
func TestLatePublisherPreparesNothing(t *testing.T) {
	r := small(2)
	publish(t, r, "before")
	late := r.Seal()
	for range 100 {
		publish(t, r, "other")
	}
	epochs, segments, head := r.Epochs(), r.Used(), r.Head()
	for range 10 {
		if !r.Link(late) {
			t.Fatal("Link, late = false; want true: there is a successor already")
		}
		if err := r.Advance(late); err != nil {
			t.Fatalf("Advance, late = %v; want nil", err)
		}
	}
	if got := r.Head(); got != head {
		t.Errorf("head after a late publisher = %v; want %v", got, head)
	}
	if got := r.Epochs(); !slices.Equal(got, epochs) {
		t.Errorf("epochs after a late publisher = %d; want %d, no segment prepared", got, epochs)
	}
	for range 100 {
		publish(t, r, "other")
	}
	if got := r.Used(); got != segments {
		t.Errorf("segments used = %d; want %d: those that a late publisher gave back are used again", got, segments)
	}
}

// A publisher that never runs again after sealing a segment stops nobody.
func TestPublisherHelpsASealedSegmentAlong(t *testing.T) {
	r := small(2)
	c := r.Head()
	publish(t, r, "a")
	r.Seal() // and its publisher never runs again
	publish(t, r, "b")
	if events, skipped := readAll(r, &c); !slices.Equal(events, []string{"a", "b"}) || skipped != 0 {
		t.Errorf("read %q, skipped %d; want [a b], 0", events, skipped)
	}
}

// More publishers are frozen than there are spares: the window shrinks, new
// events are still taken, and the window grows back.
func TestShortageCostsTheOldestEventsNotTheNewest(t *testing.T) {
	r := ring.New(ring.Options{SegmentBytes: 64, Window: 8, Spares: 1})
	r.Poison()
	c := r.Head()
	var holes []ring.Reservation
	for range 5 {
		hole, err := r.Reserve(16)
		if err != nil {
			t.Fatalf("Reserve() = %v; want nil", err)
		}
		copy(hole.Bytes(), "half")
		holes = append(holes, hole)
		publish(t, r, "other", "other", "other")
	}
	for range 200 {
		publish(t, r, "other")
	}
	if got := r.Stats(); got.Exhausted != 0 || got.Retained > 4*4 {
		t.Errorf("Stats() in the shortage = %+v; want Exhausted 0, and at most 4 of 9 segments retained", got)
	}
	for i, hole := range holes {
		if got := string(hole.Bytes()[:4]); got != "half" {
			t.Errorf("memory of frozen publisher %d holds %q; want %q", i, got, "half")
		}
		hole.Commit(0, []byte("full"))
	}
	for range 200 {
		publish(t, r, "other")
	}
	if got := r.Stats(); got.Retained <= 7*4 {
		t.Errorf("Stats() after the shortage = %+v; want a window of 8 segments again", got)
	}
	if events, skipped := readAll(r, &c); len(events)+int(skipped) != 420 {
		t.Errorf("read %d, skipped %d; want 420 together", len(events), skipped)
	}
}

// A publisher sees a segment sealed and sleeps until its successor has left the
// window and was claimed, as a segment for later events or for nothing. It must not
// open that one again (invariant 7): who still takes it for the active segment
// would publish where nobody reads.
func TestLatePublisherOpensNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(release func()) // the late publisher runs
		after  func(release func())
	}{
		{"while it is claimed", func(func()) {}, func(release func()) { release() }},
		{"after it was given back", func(release func()) { release() }, func(func()) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := small(2)
			c := r.Head()
			publish(t, r, "held")
			var held ring.Batch
			r.Read(&c, &held, 1) // so that the sealed segment keeps its link
			late := r.Seal()
			publish(t, r, "1", "2", "3", "4")      // the successor
			publish(t, r, "5", "6", "7", "8", "9") // now it has left the window
			release := r.Claim()
			tt.before(release)
			if err := r.Advance(late); err != nil {
				t.Errorf("Advance, late = %v; want nil", err)
			}
			if got := r.Open(); got != 1 {
				t.Errorf("%d segments take events; want 1, the active one", got)
			}
			tt.after(release)
			held.Release()
			publish(t, r, "last")
		})
	}
}
