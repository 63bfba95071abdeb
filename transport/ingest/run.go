package ingest

import "event-dispatcher/broker"

// A run is consecutive events of a batch for one shard. They are published
// together, with as few reservations in the ring as can be. It is a [broker.Run].
type run struct {
	batch  *batch
	shard  int
	events []pending
	bytes  int
	next   int // the first event that is not yet published
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

func (r *run) begin(b *batch) { r.batch, r.events, r.bytes = b, r.events[:0], 0 }

func (r *run) end() { r.batch = nil }

func (r *run) parts(e *pending) (head, member, tail []byte) {
	return e.head, r.batch.scratch[e.from:e.to:e.to], e.tail
}

// add appends an event, and publishes those before it if it is for another shard.
func (r *run) add(e pending) {
	b := r.batch
	p := b.players
	head, member, tail := r.parts(&e)
	var shard int
	if head == nil { // a report is in the scratch as a whole
		shard = p.broker.Pick(member, b.ctx.ConnID())
	} else {
		shard = p.pick(b.ctx.ConnID(), head, member, tail)
	}
	if len(r.events) > 0 && shard != r.shard {
		r.flush()
		n := copy(b.scratch[:cap(b.scratch)], member) // all that is left there
		e.from, e.to, b.scratch = 0, n, b.scratch[:n]
	}
	r.shard = shard
	r.events = append(r.events, e)
	r.bytes += len(head) + len(member) + len(tail)
	if len(r.events) >= maxRunEvents || r.bytes >= maxRunBytes {
		r.flush()
	}
}

// flush publishes the events, and offers them to the other instances.
func (r *run) flush() {
	b := r.batch
	p := b.players
	at := p.broker.Tick(b.ctx.Time())
	for r.next = 0; r.next < len(r.events); {
		n, err := p.broker.PublishRun(r.shard, at, r)
		r.published(at, n)
		if err != nil { // the next one did not go in
			b.rejectAt(r.events[r.next].index, reasonOf(err), -1, "")
			r.next++
		}
	}
	clear(r.events) // the body is not theirs
	r.events, r.bytes = r.events[:0], 0
	b.scratch = b.scratch[:0]
}

// published is told that the next n events are in the ring.
func (r *run) published(at broker.Tick, n int) {
	p := r.batch.players
	bytes := 0
	for range n {
		head, member, tail := r.parts(&r.events[r.next])
		bytes += p.offer(r.shard, at, head, member, tail)
		r.next++
	}
	p.Accepted(bytes)
	r.batch.verdict.accepted += n
}

// Len implements [broker.Run].
func (r *run) Len() int { return len(r.events) - r.next }

// Size implements [broker.Run].
func (r *run) Size(i int) int {
	e := &r.events[r.next+i]
	return framed(len(e.head) + e.to - e.from + len(e.tail))
}

// Put implements [broker.Run].
func (r *run) Put(i int, dst []byte) {
	head, member, tail := r.parts(&r.events[r.next+i])
	putFrame(dst, head, member, tail)
}
