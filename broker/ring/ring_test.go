package ring_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"event-dispatcher/broker/ring"
)

// The numbers of the picture in doc.go.
func TestPackageComment(t *testing.T) {
	r := ring.New(ring.Options{SegmentBytes: 1 << 10, FirstSequence: 40})
	c := r.Head()
	publish(t, r, "aaaaa")
	at41 := r.Head()
	publish(t, r, "bbb", "cccccc")
	at43 := r.Head()
	hole, err := r.Reserve(4)
	if err != nil {
		t.Fatalf("Reserve(4) = %v; want nil", err)
	}

	if got := c.Sequence(); got != 40 {
		t.Errorf("Head().Sequence() = %d; want 40", got)
	}
	if got := r.Head().Sequence(); got != 44 {
		t.Errorf("Head().Sequence() after four reservations = %d; want 44", got)
	}
	var b ring.Batch
	if ok := r.Read(&at41, &b, 1<<10); !ok || string(b.Bytes) != "bbbcccccc" || b.Events != 2 {
		t.Errorf("Read(41) = %q, %d events, %v; want %q, 2, true", b.Bytes, b.Events, ok, "bbbcccccc")
	}
	if p := b.Part(1, 2); string(p.Bytes) != "cccccc" || p.Events != 1 || string(p.Event(0)) != "cccccc" || p.Cursor(0).Sequence() != 42 || p.Cursor(1) != at41 {
		t.Errorf("Part(1, 2) = %q, %d events, from %d; want cccccc, 1, from 42 to the cursor", p.Bytes, p.Events, p.Cursor(0).Sequence())
	}
	b.Release()
	if got := at41.Sequence(); got != 43 {
		t.Errorf("cursor after Read(41) stands at %d; want 43", got)
	}
	if r.Read(&at43, &b, 1<<10) {
		t.Errorf("Read(43) before the hole is filled = true, %q; want false", b.Bytes)
	}
	hole.Commit(0, []byte("dddd"))
	if ok := r.Read(&at43, &b, 1<<10); !ok || string(b.Bytes) != "dddd" {
		t.Errorf("Read(43) after the hole is filled = %v, %q; want true, dddd", ok, b.Bytes)
	}
	b.Release()
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		do      func(r *ring.Ring) // after the cursor was taken
		events  []string
		skipped uint64
	}{
		{"empty", func(*ring.Ring) {}, nil, 0},
		{"one", func(r *ring.Ring) { publish(t, r, "e0") }, []string{"e0"}, 0},
		{"across segments", func(r *ring.Ring) { publish(t, r, "e0", "e1", "e2", "e3", "e4", "e5") },
			[]string{"e0", "e1", "e2", "e3", "e4", "e5"}, 0},
		{"exactly full", func(r *ring.Ring) { publish(t, r, "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7") },
			[]string{"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"}, 0},
		{"lapped by one", func(r *ring.Ring) { publish(t, r, "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8") },
			[]string{"e4", "e5", "e6", "e7", "e8"}, 4},
		{"sealed by bytes", func(r *ring.Ring) {
			publish(t, r, "0123456789abcdef", "0123456789abcdef", "0123456789abcdef", "0123456789abcde", "xy")
		}, []string{"0123456789abcdef", "0123456789abcdef", "0123456789abcdef", "0123456789abcde", "xy"}, 0},
		{"skip only", func(r *ring.Ring) { skip(t, r, 7) }, nil, 7},
		{"skip none", func(r *ring.Ring) { skip(t, r, 0); publish(t, r, "e0") }, []string{"e0"}, 0},
		{"skip between", func(r *ring.Ring) { publish(t, r, "e0"); skip(t, r, 3); publish(t, r, "e1") },
			[]string{"e0", "e1"}, 3},
		{"skip twice", func(r *ring.Ring) { skip(t, r, 3); skip(t, r, 4); publish(t, r, "e0") }, []string{"e0"}, 7},
		{"skip when full", func(r *ring.Ring) { publish(t, r, "e0", "e1", "e2", "e3"); skip(t, r, 5) },
			[]string{"e0", "e1", "e2", "e3"}, 5},
		{"skips alone lap", func(r *ring.Ring) {
			for range 20 {
				skip(t, r, 2)
			}
			publish(t, r, "e0")
		}, []string{"e0"}, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := small(2)
			c := r.Head()
			tt.do(r)
			if got, want := r.Pending(c), len(tt.events) > 0 || tt.skipped > 0; got != want {
				t.Errorf("Pending() = %v; want %v", got, want)
			}
			events, skipped := readAll(r, &c)
			if !slices.Equal(events, tt.events) || skipped != tt.skipped {
				t.Errorf("read %q, skipped %d; want %q, %d", events, skipped, tt.events, tt.skipped)
			}
			if got, want := c, r.Head(); c.Behind(want) != 0 {
				t.Errorf("cursor at the end = %d; want %d", got.Sequence(), want.Sequence())
			}
			if r.Pending(c) {
				t.Error("Pending() at the end = true; want false")
			}
			if got := r.Pins(); got != 0 {
				t.Errorf("pins after reading = %d; want 0", got)
			}
		})
	}
}

func TestReadTakesAboutAsManyBytesAsAsked(t *testing.T) {
	const maxInt = int(^uint(0) >> 1)
	for _, tt := range []struct{ maxBytes, events int }{
		{-1, 1}, {0, 1}, {1, 1}, {5, 1}, {6, 2}, {10, 2}, {11, 3}, {1 << 20, 3}, {maxInt, 3},
	} {
		r := small(2)
		publish(t, r, "first") // so that the cursor does not start at offset 0
		c := r.Head()
		publish(t, r, "aaaaa", "bbbbb", "ccccc")
		var b ring.Batch
		if r.Read(&c, &b, tt.maxBytes); b.Events != tt.events || len(b.Bytes) != 5*tt.events {
			t.Errorf("Read(maxBytes %d) = %d events, %d bytes; want %d, %d",
				tt.maxBytes, b.Events, len(b.Bytes), tt.events, 5*tt.events)
		}
		b.Release()
	}
}

func TestBytesOfABatchCannotGrowIntoTheRing(t *testing.T) {
	r := small(2)
	c := r.Head()
	publish(t, r, "a", "b")
	var b ring.Batch
	r.Read(&c, &b, 1)
	if cap(b.Bytes) != 1 {
		t.Errorf("cap(Bytes) = %d; want 1: append would write to the next event", cap(b.Bytes))
	}
	b.Release()
}

func TestPublish(t *testing.T) {
	r := ring.New(ring.Options{SegmentBytes: 64, Window: 2})
	if got := r.MaxEvent(); got != 16 {
		t.Fatalf("MaxEvent() = %d; want 16", got)
	}
	for _, tt := range []struct {
		name  string
		parts [][]byte
		want  error
	}{
		{"nothing", nil, ring.ErrTooLarge},
		{"empty", [][]byte{{}, nil}, ring.ErrTooLarge},
		{"one byte", [][]byte{{1}}, nil},
		{"largest", [][]byte{make([]byte, 16)}, nil},
		{"largest in parts", [][]byte{make([]byte, 7), nil, make([]byte, 9)}, nil},
		{"too large", [][]byte{make([]byte, 17)}, ring.ErrTooLarge},
		{"too large in parts", [][]byte{make([]byte, 8), make([]byte, 9)}, ring.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.Head()
			if err := r.Publish(0, tt.parts...); !errors.Is(err, tt.want) {
				t.Errorf("Publish() = %v; want %v", err, tt.want)
			}
			var b ring.Batch
			ok := r.Read(&c, &b, 1<<10)
			if ok != (tt.want == nil) || !bytes.Equal(b.Bytes, bytes.Join(tt.parts, nil)) && ok {
				t.Errorf("Read() = %v, %q; want %v, %q", ok, b.Bytes, tt.want == nil, tt.parts)
			}
			b.Release()
		})
	}
}

func TestPublishCopiesItsParts(t *testing.T) {
	r := small(2)
	c := r.Head()
	event := []byte("mine")
	if err := r.Publish(0, event); err != nil {
		t.Fatal(err)
	}
	copy(event, "oops")
	if got, _ := readAll(r, &c); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("read %q; want [mine]", got)
	}
}

func TestBatch(t *testing.T) {
	r := small(2)
	publish(t, r, "before")
	c := r.Head()
	for i, e := range []string{"a", "bbb", "cc"} {
		if err := r.Publish(ring.Tick(100+i), []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	start := c
	var b ring.Batch
	if !r.Read(&c, &b, 1<<10) || string(b.Bytes) != "abbbcc" {
		t.Fatalf("Read() = %q; want abbbcc", b.Bytes)
	}
	defer b.Release()

	for i, want := range []string{"a", "bbb", "cc"} {
		if got := string(b.Event(i)); got != want || b.At(i) != ring.Tick(100+i) {
			t.Errorf("Event(%d), At(%d) = %q, %d; want %q, %d", i, i, got, b.At(i), want, 100+i)
		}
	}
	for n, want := range [][2]int{{0, 0}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}} {
		if events, partial := b.Cut(n); events != want[0] || partial != want[1] {
			t.Errorf("Cut(%d) = %d, %d; want %d, %d", n, events, partial, want[0], want[1])
		}
	}
	if got := b.Cursor(0); got != start {
		t.Errorf("Cursor(0) = %v; want the place of the first event, %v", got, start)
	}
	if got := b.Cursor(3); got != c {
		t.Errorf("Cursor(3) = %v; want the reader's own, %v", got, c)
	}
	for n, want := range [][]string{{"a", "bbb", "cc"}, {"bbb", "cc"}, {"cc"}, nil} {
		c := b.Cursor(n)
		if got, _ := readAll(r, &c); !slices.Equal(got, want) {
			t.Errorf("reading on from Cursor(%d) gives %q; want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{9: "abbbcc", 3: "abbbcc", 2: "abbb", 1: "a", 0: ""} {
		cut := b // of the same pin
		if cut.Truncate(n); string(cut.Bytes) != want || cut.Events != min(n, 3) {
			t.Errorf("Truncate(%d) leaves %q, %d events; want %q, %d", n, cut.Bytes, cut.Events, want, min(n, 3))
		}
	}
}

func TestBatchWithoutEventsStillKnowsItsPlace(t *testing.T) {
	r := small(2)
	c := r.Head()
	skip(t, r, 3)
	var b ring.Batch
	if ok := r.Read(&c, &b, 1); !ok || b.Skipped != 3 || b.Events != 0 {
		t.Fatalf("Read() = %v, skipped %d, %d events; want true, 3, 0", ok, b.Skipped, b.Events)
	}
	if got := b.Cursor(0); got != c {
		t.Errorf("Cursor(0) = %v; want %v", got, c)
	}
	if events, partial := b.Cut(0); events != 0 || partial != 0 {
		t.Errorf("Cut(0) = %d, %d; want 0, 0", events, partial)
	}
	b.Release()
	b.Release() // does nothing
	if got := r.Pins(); got != 0 {
		t.Errorf("pins = %d; want 0", got)
	}
}

func TestNewRefusesSizesOutOfRange(t *testing.T) {
	for _, o := range []ring.Options{
		{SegmentBytes: 3},
		{SegmentBytes: -1},
		{SegmentBytes: ring.MaxSegmentBytes + 1},
		{SegmentBytes: 64, Window: 1},
		{SegmentBytes: 64, Spares: -1},
		{SegmentBytes: 64, Window: ring.MaxSegments, Spares: 1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%+v) did not panic", o)
				}
			}()
			ring.New(o)
		})
	}
}

func TestTickSince(t *testing.T) {
	for _, tt := range []struct{ t, earlier, want ring.Tick }{
		{5, 3, 2},
		{3, 3, 0},
		{3, 5, 0}, // another goroutine's clock
		{1, ring.MaxTick, 2},
		{ring.MaxTick, 1, 0},
	} {
		if got := tt.t.Since(tt.earlier); got != tt.want {
			t.Errorf("Tick(%d).Since(%d) = %d; want %d", tt.t, tt.earlier, got, tt.want)
		}
	}
	if got := ring.Tick(1).Duration(); got != 1<<ring.TickShift {
		t.Errorf("Tick(1).Duration() = %v; want 2^14 ns", got)
	}
}
