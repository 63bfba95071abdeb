package relay

import (
	"sync/atomic"

	"event-dispatcher/broker/ring"
	"event-dispatcher/broker/wake"
)

// An outbox holds the events that wait for the publisher, in a log per shard.
type outbox struct {
	logs []outlog
	gate wake.Gate
}

// An outlog is the log of one shard.
type outlog struct {
	ring    *ring.Ring
	refused atomic.Uint64 // offered, but not let in by the ring
	read    atomic.Uint64 // sequence up to which the publisher has read
}

// newOutbox makes room for about size bytes, or four of the largest events' segments
// per shard if that is more.
func newOutbox(shards, size, maxEvent int) *outbox {
	segment := min(max(4*maxEvent, 64<<10), ring.MaxSegmentBytes)
	o := &outbox{logs: make([]outlog, shards)}
	for i := range o.logs {
		o.logs[i].ring = ring.New(ring.Options{
			SegmentBytes: segment,
			Window:       max(size/shards/ring.SegmentMemory(segment), 4),
			Spares:       3, // the publisher's pin, and two for those who replace a segment
		})
	}
	return o
}

// offer appends one event, the concatenation of parts, to the log of a shard.
func (o *outbox) offer(shard int, at ring.Tick, parts [][]byte) {
	l := &o.logs[shard]
	if l.ring.Publish(at, parts...) != nil {
		l.refused.Add(1)
		return
	}
	o.gate.Wake() // after the event can be seen
}

// queued is how many events wait.
func (o *outbox) queued() (n uint64) {
	for i := range o.logs {
		l := &o.logs[i]
		stats := l.ring.Stats()
		n += min(l.ring.Head().Sequence()-l.read.Load(), stats.Retained)
	}
	return n
}

// refused is how many events were not let in.
func (o *outbox) refused() (n uint64) {
	for i := range o.logs {
		n += o.logs[i].refused.Load()
	}
	return n
}
