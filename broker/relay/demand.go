package relay

import (
	"context"
	"time"
)

// demandPause is the time between two looks at what is wanted.
const demandPause = 20 * time.Millisecond

// followDemand has what is wanted taken, until ctx is done.
func (r *Relay) followDemand(ctx context.Context) {
	tick := time.NewTicker(demandPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.lookAtDemand()
	}
}

func (r *Relay) lookAtDemand() {
	if r.options.Demand != nil && !r.receiver.hushed.Load() {
		r.firehose.subscriber.want(r.options.Demand())
	}
}

// Await waits until all shards that are wanted are heard, so that a consumer whose
// stream opens then misses nothing that others accept from then on. It gives up when
// the carrier does not answer, after 2 s at most. Where consumers were before, it
// returns at once.
func (r *Relay) Await(ctx context.Context) {
	s := &r.firehose.subscriber
	r.lookAtDemand()
	for pause := time.Millisecond; !s.subscribed() && s.well() && !r.receiver.hushed.Load(); pause = min(2*pause, demandPause) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Hush ends the delivery of other instances' events, and of gaps in them, for good.
// main calls it before a drain with -drain-silence.
func (r *Relay) Hush() {
	r.receiver.hushed.Store(true)
	r.firehose.subscriber.want(0) // unless it is asked for at this moment, for nothing
}
