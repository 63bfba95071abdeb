//go:build !race

package ring_test

import (
	"testing"

	"event-dispatcher/broker/ring"
)

func TestPublishingAndReadingDoNotAllocate(t *testing.T) {
	r := ring.New(ring.Options{SegmentBytes: 1 << 10, Window: 4})
	head, body, tail := []byte("data: "), make([]byte, 90), []byte("\n\n")
	publishOne := func() {
		if err := r.Publish(1, head, body, tail); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // until every segment of the window has its memory
		publishOne()
	}
	c := r.Head()
	start := c.Sequence()
	many := &run{body, head, body, tail, body}
	for _, tt := range []struct {
		name string
		do   func()
	}{
		{"Publish", publishOne},
		{"PublishRun", func() {
			if _, err := r.PublishRun(1, many); err != nil {
				t.Fatal(err)
			}
		}},
		{"Find", func() { r.Find(start) }},
		{"Find, retained", func() { r.Find(r.Head().Sequence() - 1) }},
		{"Publish and Read", func() {
			publishOne()
			var b ring.Batch
			for r.Read(&c, &b, 1<<10) {
				events, _ := b.Cut(10)
				_ = b.Cursor(events)
				_ = b.Event(0)
				b.Release()
			}
		}},
		{"Pending", func() { r.Pending(c) }},
		{"Head", func() { c = r.Head() }},
		{"Stats", func() { r.Stats() }},
	} {
		if got := testing.AllocsPerRun(1000, tt.do); got != 0 {
			t.Errorf("%s allocates %v times; want 0", tt.name, got)
		}
	}
}
