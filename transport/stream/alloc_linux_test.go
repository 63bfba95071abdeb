//go:build !race

package stream

import (
	"math"
	"net"
	"runtime"
	"testing"
	"time"

	"event-dispatcher/transport/view"
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

// An idle consumer is small, compressed or not: what its stream holds is its herd's.
func TestCompressedConsumerIsSmall(t *testing.T) {
	const consumers, most = 1000, 1 << 10
	for _, f := range []wire.Format{{}, {Encoding: wire.Gzip}} {
		r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
		join := func(n int) (near []net.Conn) {
			for range n {
				ticket, err := r.pool.Admit(view.View{Shards: 1, Format: f})
				if err != nil {
					t.Fatal(err)
				}
				one, far := r.connect(0)
				ticket.Serve(far, ticket.AppendOpening(nil, ""))
				near = append(near, one)
			}
			return near
		}
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		clients := join(1) // the herd, and its compressor
		r.awaitHerd(1)
		before := heap()
		clients = append(clients, join(consumers)...)
		r.awaitHerd(1 + consumers)
		if each := (heap() - before) / consumers; each > most {
			t.Errorf("a consumer of %+v takes %d bytes with the client's end; want %d at most", f, each, most)
		}
		for _, c := range clients {
			c.Close()
		}
	}
}
