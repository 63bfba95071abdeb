package operate

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// Options is what [Operators] get to see.
type Options struct {
	Broker *broker.Broker
	Relay  *relay.Relay // nil: there are no other instances

	Pool *stream.Pool

	// Sockets lists users' screens, in a form that encodes. Nil: there are none.
	Sockets func() any

	// Degraded lists what does not work although the service does. Nil: whether
	// the relay is up.
	Degraded func() []string

	// Sources are asked for their metrics in this order.
	Sources []metric.Source

	// Received is how many events players sent; nil: nobody counts.
	Received func() uint64

	// Refusals has counted what was refused. Nil: nothing was.
	Refusals *refusal.Desk

	// ConsoleOff has / say in a few lines what there is.
	ConsoleOff bool

	// Version is shown by dispatcher_build_info.
	Version string
}

// Operators has the handlers for those who run the service; each part has some of them.
// Its methods may be called by any goroutine.
type Operators struct {
	*health
	*ports
	page
	contracts
	dashboard
	consumers
	refused
	exposition
}

// New returns the handlers of a service that is starting.
func New(o Options) *Operators {
	h, p := newHealth(&o), &ports{}
	inspect := func() []stream.ConsumerInfo { return nil }
	if o.Pool != nil {
		inspect = o.Pool.Inspect
	}
	return &Operators{
		health:    h,
		ports:     p,
		page:      newPage(o.ConsoleOff, p),
		contracts: newContracts(),
		dashboard: dashboard{
			health: h, ports: p, broker: o.Broker, relay: o.Relay, pool: o.Pool,
			laggards: &laggards{inspect: inspect, query: view.View.Canonical, all: o.Broker.AllShards()},
			refusals: o.Refusals, received: o.Received, version: o.Version, began: time.Now(),
		},
		consumers:  consumers{inspect, o.Sockets},
		refused:    refused{o.Refusals},
		exposition: newExposition(&o, h),
	}
}
