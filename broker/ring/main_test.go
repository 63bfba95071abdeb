package ring_test

import (
	"testing"

	"event-dispatcher/broker/ring"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a ring of tiny segments that overwrites what it recycles: 64 bytes
// and 4 events to a segment, 16 bytes to an event.
func small(window int) *ring.Ring {
	r := ring.New(ring.Options{SegmentBytes: 64, Window: window, Spares: 3})
	r.Poison()
	return r
}

func publish(t testing.TB, r *ring.Ring, events ...string) {
	t.Helper()
	for _, e := range events {
		if err := r.Publish(0, []byte(e)); err != nil {
			t.Fatalf("Publish(%q) = %v; want nil", e, err)
		}
	}
}

func skip(t testing.TB, r *ring.Ring, n uint64) {
	t.Helper()
	if err := r.Skip(n); err != nil {
		t.Fatalf("Skip(%d) = %v; want nil", n, err)
	}
}

// readAll reads until there is nothing, and returns the events' bytes and what
// was skipped.
func readAll(r *ring.Ring, c *ring.Cursor) (events []string, skipped uint64) {
	var b ring.Batch
	for r.Read(c, &b, 1<<20) {
		skipped += b.Skipped
		for i := range b.Events {
			events = append(events, string(b.Event(i)))
		}
		b.Release()
	}
	return events, skipped
}

// A run is events as they are.
type run [][]byte

func (r run) Len() int            { return len(r) }
func (r run) Size(i int) int      { return len(r[i]) }
func (r run) Put(i int, b []byte) { copy(b, r[i]) }
