package ring_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"event-dispatcher/broker/ring"
)

func TestARunKeepsItsOrderAcrossSegments(t *testing.T) {
	r := small(8)
	c := r.Head()
	publish(t, r, "before")
	var events run
	want := []string{"before"}
	for i := range 21 {
		e := fmt.Sprint("event ", i)
		events, want = append(events, []byte(e)), append(want, e)
	}
	if n, err := r.PublishRun(7, events); n != len(events) || err != nil {
		t.Fatalf("PublishRun() = %d, %v; want %d, nil", n, err, len(events))
	}
	publish(t, r, "behind")
	if got, skipped := readAll(r, &c); !slices.Equal(got, append(want, "behind")) || skipped != 0 {
		t.Errorf("read %q, skipped %d; want %q, 0", got, skipped, want)
	}
}

func TestARunStopsAtABadEvent(t *testing.T) {
	r := small(2)
	for _, tt := range []struct {
		name   string
		events run
		want   int
	}{
		{"none", run{}, 0},
		{"the first is empty", run{{}, []byte("a")}, 0},
		{"the second is empty", run{[]byte("a"), {}}, 1},
		{"the third is too large", run{[]byte("a"), []byte("b"), make([]byte, 17), []byte("c")}, 2},
	} {
		c := r.Head()
		n, err := r.PublishRun(0, tt.events)
		if n != tt.want || errors.Is(err, ring.ErrTooLarge) != (tt.want < len(tt.events)) {
			t.Errorf("%s: PublishRun() = %d, %v; want %d", tt.name, n, err, tt.want)
		}
		if got, _ := readAll(r, &c); len(got) != tt.want {
			t.Errorf("%s: read %q; want %d events", tt.name, got, tt.want)
		}
	}
}

func TestARunTellsHowFarItCameInAShortage(t *testing.T) {
	r := small(2)
	c := r.Head()
	release := r.Claim()
	defer release()
	events := run(slices.Repeat([][]byte{[]byte("event")}, 10))
	if n, err := r.PublishRun(0, events); n != 4 || !errors.Is(err, ring.ErrExhausted) {
		t.Errorf("PublishRun() with no segment but the active one = %d, %v; want 4, ErrExhausted", n, err)
	}
	if got, _ := readAll(r, &c); len(got) != 4 {
		t.Errorf("read %d events; want 4", len(got))
	}
}

// All that a reservation takes is a hole until it is written, so it takes no more than
// the largest event could.
func TestARunReservesNoMoreThanTheLargestEvent(t *testing.T) {
	r := small(2)
	before := r.Head()
	if _, err := r.PublishRun(0, reserving(func(i int) {
		want := (i/2 + 1) * 2 // two of six bytes, where an event has 16 at most
		if got := before.Behind(r.Head()); got != int64(want) {
			t.Errorf("%d events are reserved when event %d is written; want %d", got, i, want)
		}
	})); err != nil {
		t.Fatal(err)
	}
}

// reserving is told of every event before it is written.
type reserving func(i int)

func (reserving) Len() int              { return 6 }
func (reserving) Size(int) int          { return 6 }
func (f reserving) Put(i int, _ []byte) { f(i) }

// Put gets exactly the room of its event: writing more panics, in the ring's
// tests and not in a neighbour's event.
func TestPutCannotReachItsNeighbour(t *testing.T) {
	r := small(2)
	var got []int
	_, err := r.PublishRun(0, probe(func(b []byte) { got = append(got, len(b), cap(b)); copy(b, "abc") }))
	if want := []int{3, 3, 3, 3}; err != nil || !slices.Equal(got, want) {
		t.Errorf("PublishRun() = %v, lengths and capacities %d; want %d", err, got, want)
	}
}

type probe func([]byte)

func (probe) Len() int              { return 2 }
func (probe) Size(int) int          { return 3 }
func (p probe) Put(_ int, b []byte) { p(b) }

// framed puts a prefix of its own and a suffix around each event, as a wire does.
type framed struct{ events [][]byte }

const framedSuffix = "\n\n\r\n"

func (f *framed) Len() int       { return len(f.events) }
func (f *framed) Size(i int) int { return 8 + len(f.events[i]) + len(framedSuffix) }
func (f *framed) Put(i int, b []byte) {
	const hex = "0123456789abcdef"
	for k, n := 5, len(f.events[i]); k >= 0; k, n = k-1, n>>4 {
		b[k] = hex[n&15]
	}
	b[6], b[7] = '\r', '\n'
	n := 8 + copy(b[8:], f.events[i])
	copy(b[n:], framedSuffix)
}

// Per event, so that it compares with publish=one.
func BenchmarkPublishRun(b *testing.B) {
	event := bytes.Repeat([]byte("x"), benchBytes)
	for _, n := range []int{1, 10, 100} {
		f := &framed{slices.Repeat([][]byte{event}, n)}
		b.Run(fmt.Sprintf("events=%d/publish=run", n), func(b *testing.B) {
			r := ring.New(benchOptions)
			warm(segmented{r}, benchBytes)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				if _, err := r.PublishRun(0, f); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("events=%d/publish=one", n), func(b *testing.B) {
			r := ring.New(benchOptions)
			warm(segmented{r}, benchBytes)
			prefix, suffix := []byte("000200\r\n"), []byte(framedSuffix)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				for range n {
					if err := r.Publish(0, prefix, event, suffix); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
