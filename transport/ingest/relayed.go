package ingest

import (
	"time"

	"event-dispatcher/broker"
)

// Relayed puts events of other instances into the broker, framed like those that
// were posted here: it is the sink of a relay.
type Relayed struct{ Broker *broker.Broker }

// Deliver publishes one event in the shard that it had at its origin, unless there
// is a shard key and the instances differ in their number of shards.
func (r Relayed) Deliver(shard int, event []byte) error {
	b := r.Broker
	return publishFramed(b, b.Pick(event, uint64(shard)), b.Tick(time.Now()), event, nil, nil)
}

// Skip tells the consumers of a shard of n events that were lost between instances.
func (r Relayed) Skip(shard int, n uint64) error { return r.Broker.Skip(shard, n) }
