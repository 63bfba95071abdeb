package relay

import (
	"sync/atomic"

	"event-dispatcher/broker/ring"
	"event-dispatcher/broker/wake"
)

// An outbox holds the events that wait for the publisher.
type outbox struct {
	ring    *ring.Ring
	gate    wake.Gate
	refused atomic.Uint64 // offered, but not let in by the ring
	read    atomic.Uint64 // sequence up to which the publisher has read
}

// newOutbox makes room for about size bytes, allocated as it is needed.
func newOutbox(size, maxEvent int) *outbox {
	segment := min(max(4*(maxEvent+1), 64<<10), ring.MaxSegmentBytes)
	return &outbox{ring: ring.New(ring.Options{
		SegmentBytes: segment,
		Window:       max(size/ring.SegmentMemory(segment), 4),
		Spares:       3, // the publisher's pin, and two for those who replace a segment
	})}
}

// hints are the bytes that can stand before an event.
var hints = func() (all [256]byte) {
	for i := range all {
		all[i] = byte(i)
	}
	return all
}()

// maxParts is in how many parts an event may come.
const maxParts = 4

// offer appends one event, the concatenation of parts, with a hint before it.
func (o *outbox) offer(hint int, at ring.Tick, parts [][]byte) bool {
	// Neither append nor copy: both would let what the parts point to, often the
	// caller's stack, escape to the heap.
	var all [1 + maxParts][]byte
	if len(parts) > maxParts {
		panic("relay: an event has at most four parts")
	}
	all[0] = hints[hint&0xff : hint&0xff+1]
	for i, p := range parts {
		all[1+i] = p
	}
	if o.ring.Publish(at, all[:1+len(parts)]...) != nil {
		o.refused.Add(1)
		return false
	}
	o.gate.Wake() // after the event can be seen
	return true
}

// queued is how many events wait.
func (o *outbox) queued() uint64 {
	stats := o.ring.Stats()
	return min(o.ring.Head().Sequence()-o.read.Load(), stats.Retained)
}
