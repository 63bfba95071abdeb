package ingest

import (
	"errors"
	"slices"
	"sync"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/refusal"
)

// An outlet is where accepted events go: into a shard of the ring, and to the other
// instances. It is fixed after New.
type outlet struct {
	broker  *broker.Broker
	relay   *relay.Relay // nil: there are no other instances
	byAdded bool         // the shard key is a member that we add
}

func newOutlet(o *Options) outlet {
	return outlet{o.Broker, o.Relay, slices.Contains(o.added(), o.Broker.ShardKey())}
}

// wholes are buffers for events that must be looked at as they will be published.
var wholes = sync.Pool{New: func() any { return new([]byte) }}

// pick chooses the shard of an event in three parts. Other instances choose by the
// event as it was published; that is the same as choosing by its head, unless the
// key is in a member that was added.
func (o *outlet) pick(conn uint64, head, member, tail []byte) int {
	if !o.byAdded {
		return o.broker.Pick(head, conn)
	}
	whole := wholes.Get().(*[]byte)
	defer wholes.Put(whole)
	*whole = append(append(append((*whole)[:0], head...), member...), tail...)
	return o.broker.Pick(*whole, conn)
}

// offer offers an event in three parts that is in the ring to the other instances, and
// returns its size.
func (o *outlet) offer(shard int, at broker.Tick, head, member, tail []byte) int {
	if r := o.relay; r != nil { // a concrete type, so that the parts do not escape
		r.Offer(shard, at, head, member, tail)
	}
	return len(head) + len(member) + len(tail)
}

// reasonOf is why the broker does not take an event.
func reasonOf(err error) refusal.Reason {
	if errors.Is(err, broker.ErrTooLarge) {
		return refusal.TooLarge
	}
	return refusal.Overloaded
}
