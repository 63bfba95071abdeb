//go:build !race

package stream

import (
	"math"
	"runtime"
	"testing"
	"time"

	"event-dispatcher/transport/wire"
)

func TestDeliveryDoesNotAllocate(t *testing.T) {
	const consumers, rounds, events = 20, 200, 4
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	r.sink(consumers)
	r.awaitHerd(consumers)
	frame := appendFrame(nil, event{size: 300})
	deliver := func(rounds int) {
		delivered := &r.pool.loops[0].stats.wires[wire.SSE].delivered
		for range rounds {
			want := delivered.Load() + consumers*events
			at := r.broker.Tick(time.Now())
			for range events {
				if err := r.broker.Publish(0, at, frame); err != nil {
					t.Fatal(err)
				}
			}
			for start := time.Now(); delivered.Load() < want; runtime.Gosched() {
				if time.Since(start) > patience {
					t.Fatalf("delivered %d; want %d", delivered.Load(), want)
				}
			}
		}
	}
	// The runtime allocates now and then, and so does who falls behind on a busy
	// machine: the best of a few tries counts.
	least := uint64(math.MaxUint64)
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		deliver(rounds)
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least > rounds/10 {
		t.Errorf("%d allocations in %d sweeps of %d deliveries; want none but the runtime's own", least, rounds, consumers*events)
	}
}
