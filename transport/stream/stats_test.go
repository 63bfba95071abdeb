package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

func TestHistogramCountsCumulatively(t *testing.T) {
	t.Parallel()
	bounds := []float64{1, 4, 16}
	h := newHistogram(bounds, 0.5) // an observation of 2 is 1 in the snapshot
	for _, o := range []struct{ v, n uint64 }{{0, 1}, {2, 2}, {3, 3}, {8, 4}, {32, 5}, {33, 6}, {1 << 40, 7}} {
		h.observe(o.v, o.n)
	}
	var got Histogram
	h.addTo(&got, bounds)
	h.addTo(&got, bounds) // sums over loops
	if want := map[float64]uint64{1: 2 * 3, 4: 2 * 10, 16: 2 * 15}; fmt.Sprint(got.Buckets) != fmt.Sprint(want) || got.Count != 2*28 {
		t.Errorf("buckets %v, count %d; want %v, 56", got.Buckets, got.Count, want)
	}
	sum := uint64(2*2 + 3*3 + 4*8 + 5*32 + 6*33 + 7<<40)
	if want := 2 * float64(sum) * 0.5; got.Sum != want {
		t.Errorf("sum %v; want %v", got.Sum, want)
	}
}

func TestLatencyIsNeverNegative(t *testing.T) {
	t.Parallel()
	b, err := broker.New(roomy(1))
	if err != nil {
		t.Fatal(err)
	}
	head := b.HeadOf(0)
	now := b.Tick(time.Now())
	for _, at := range []broker.Tick{now + 5, now, now, now - min(now, 3), now + 1<<20} { // other cores' clocks
		if err := b.Publish(0, at, []byte("e")); err != nil {
			t.Fatal(err)
		}
	}
	var batch broker.Batch
	b.Read(0, &head, &batch, 1<<20)
	s := newCounters()
	s.delivery(wire.SSE, &batch, &take{bytes: batch.Bytes, events: batch.Events}, 3, now)
	batch.Release()
	var got Histogram
	s.latency.addTo(&got, latencySeconds)
	if got.Count != 15 || got.Buckets[latencySeconds[0]] != 15 || got.Sum < 0 || got.Sum > 1e-3 {
		t.Errorf("count %d, in the first bucket %d, sum %v; want 15, 15, about 0", got.Count, got.Buckets[latencySeconds[0]], got.Sum)
	}
	if d := s.wires[wire.SSE].delivered.Load(); d != 15 {
		t.Errorf("delivered %d; want 15", d)
	}
}

func TestHistogramsOfAPoolAddUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		start := time.Now()
		all := []*client{r.join(joinOptions{}), r.join(joinOptions{}), r.join(joinOptions{buffer: 16 << 10, chunk: 3000})}
		for i := range 400 {
			r.publish(0, 10*i)
		}
		r.settle(all...)
		r.wantBooksBalanced(all...)
		st := r.pool.Stats()
		most := float64(st.Delivered) * time.Since(start).Seconds()
		if st.Latency.Sum < 0 || st.Latency.Sum > most {
			t.Errorf("Stats().Latency.Sum = %v; want between 0 and %v", st.Latency.Sum, most)
		}
		for name, h := range map[string]Histogram{"Latency": st.Latency, "Lag": st.Lag} {
			var bounds []float64
			for bound := range h.Buckets {
				bounds = append(bounds, bound)
			}
			slices.Sort(bounds)
			last := uint64(0)
			for _, bound := range bounds {
				if h.Buckets[bound] < last {
					t.Errorf("Stats().%s: %d up to %v, but %d before; want cumulative counts", name, h.Buckets[bound], bound, last)
				}
				last = h.Buckets[bound]
			}
			if last > h.Count || h.Count == 0 {
				t.Errorf("Stats().%s: %d in buckets, count %d; want no more, and some", name, last, h.Count)
			}
		}
		var bytes uint64
		for _, c := range all {
			bytes += c.books().bytes
		}
		if st.Bytes != bytes {
			t.Errorf("Stats().Bytes = %d; want %d, what the clients received", st.Bytes, bytes)
		}
	})
}

func TestEveryReasonHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, why := range Reasons() {
		if name := why.String(); name == "" || seen[name] {
			t.Errorf("Reason(%d) = %q; want a name of its own", why, name)
		}
		seen[why.String()] = true
	}
	if len(seen) != int(reasons) {
		t.Errorf("Reasons() has %d; want %d", len(seen), reasons)
	}
}

func TestJitterStaysWithinItsRange(t *testing.T) {
	t.Parallel()
	for range 1000 {
		if d := Jitter(soon, follows); d < soon || d >= follows {
			t.Fatalf("Jitter(%v, %v) = %v; want it between them", soon, follows, d)
		}
	}
}
