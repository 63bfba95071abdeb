package ingest

import (
	"errors"

	"event-dispatcher/broker"
	"event-dispatcher/transport/refusal"
)

// A run is consecutive events of a batch for one shard, that are published together.
type run struct {
	shard  int
	events []pending
	bytes  int
}

// A pending event is head, a part of the batch's scratch, and tail. Head and tail are
// parts of the body.
type pending struct {
	head, tail []byte
	from, to   int
	index      int // in the batch
}

// A run is published when it has so many events or bytes: consumers should not wait
// for the rest of a large batch.
const (
	maxRunEvents = 256
	maxRunBytes  = 128 << 10
)

func (r *run) reset() {
	clear(r.events)
	r.events, r.bytes = r.events[:0], 0
}

// add appends an event, and publishes those before it if it is for another shard.
func (r *run) add(b *batch, e pending) {
	head, member, tail := b.bytesOf(&e)
	shard := 0
	if head == nil { // a report is in the scratch as a whole
		shard = b.players.options.Broker.Pick(member, b.ctx.ConnID())
	} else {
		shard = b.players.pick(b.ctx, head, member, tail)
	}
	if len(r.events) > 0 && shard != r.shard {
		r.flush(b)
		n := copy(b.scratch[:cap(b.scratch)], member) // all that is left there
		e.from, e.to, b.scratch = 0, n, b.scratch[:n]
	}
	r.shard = shard
	r.events = append(r.events, e)
	r.bytes += len(head) + len(member) + len(tail)
	if len(r.events) >= maxRunEvents || r.bytes >= maxRunBytes {
		r.flush(b)
	}
}

// flush publishes the events, and offers them to the other instances.
func (r *run) flush(b *batch) {
	p := b.players
	at := p.options.Broker.Tick(b.ctx.Time())
	for i := range r.events {
		e := &r.events[i]
		head, member, tail := b.bytesOf(e)
		err := p.options.Broker.Publish(r.shard, at, eventPrefix, head, member, tail, eventSuffix)
		if err != nil {
			reason := refusal.Overloaded
			if errors.Is(err, broker.ErrTooLarge) {
				reason = refusal.TooLarge
			}
			b.verdict.reject(e.index, reason, -1, "")
			p.counts.rejected[reason].Add(1)
			continue
		}
		b.verdict.accepted++
		p.Accepted(len(head) + len(member) + len(tail))
		if relay := p.options.Relay; relay != nil {
			relay.Offer(r.shard, at, head, member, tail)
		}
	}
	r.reset()
	b.scratch = b.scratch[:0]
}
