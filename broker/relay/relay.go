package relay

import (
	"context"
	"strconv"
	"sync"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/ring"

	"go.uber.org/zap"
)

// Options tunes a [Relay].
type Options struct {
	// Carrier takes the firehose. Required.
	Carrier Carrier

	// SessionCarrier takes the session events. Nil means Carrier.
	SessionCarrier Carrier

	// Channel carries the firehose. Empty means "event-dispatcher".
	Channel string

	// SessionChannel carries the session events. Empty means the original's,
	// "my-redis-channel".
	SessionChannel string

	// Sink takes the firehose of other instances. Required.
	Sink Sink

	// Sessions takes their session events. Nil: none are relayed.
	Sessions SessionSink

	// Resubscribed, if not nil, is called when session events of other instances may
	// have been missed: the channel was subscribed to again, or the sequence of an
	// instance has a gap. What the store has is what counts then. It is called by one
	// goroutine, and may wait.
	Resubscribed func()

	// Tick turns a time into what callers of Offer pass; usually the broker's
	// method. Required.
	Tick func(time.Time) ring.Tick

	// Shards is how many logs the events are in, at most 64. Zero means 1.
	Shards int

	// Demand says of which shards there are consumers: only their events are
	// taken from the other instances. It is asked every 20 ms, so that a consumer that
	// joins gets events from when the carrier has the subscription; what was
	// published before is no gap. Nil: all are wanted, always.
	Demand func() broker.ShardSet

	// Linger is how long events are taken that nobody wants any more. Zero means
	// 5 s.
	Linger time.Duration

	// OutboxBytes is how much waits for the carrier at most, or a few of the largest
	// events per shard if that is more. Zero means 16 MiB.
	OutboxBytes int

	// MaxEvent is the largest event in bytes. Zero means 256 KiB and 256 bytes.
	MaxEvent int

	// MaxAge is how old an event may get in the outbox. Zero means 5 s,
	// negative for ever.
	MaxAge time.Duration

	// Log, if not nil, is told when the carrier comes and goes and, sampled, of bad messages.
	Log *zap.Logger

	regather time.Duration // tests: give slow machines more time
}

func (o *Options) now() ring.Tick { return o.Tick(time.Now()) }

// A Relay connects one instance to the others. Its methods may be called by any
// goroutine.
type Relay struct {
	options  Options
	origin   Origin
	firehose lane
	sessions lane

	receiver        receiver
	sessionReceiver sessionReceiver

	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// A lane is the way of one kind of events through a carrier.
type lane struct {
	carrier    Carrier
	log        *zap.Logger // of its own, because lines of one kind are sampled
	publisher  publisher
	subscriber subscriber
}

// New returns at once and connects in the background.
func New(o Options) *Relay {
	if o.Carrier == nil || o.Sink == nil || o.Tick == nil {
		panic("relay: Options.Carrier, Options.Sink and Options.Tick are required")
	}
	if o.SessionCarrier == nil {
		o.SessionCarrier = o.Carrier
	}
	if o.Channel == "" {
		o.Channel = "event-dispatcher"
	}
	if o.SessionChannel == "" {
		o.SessionChannel = "my-redis-channel"
	}
	if o.Shards == 0 {
		o.Shards = 1
	}
	if o.Shards > broker.MaxShards {
		panic("relay: Options.Shards is more than a broker can have")
	}
	if o.Linger == 0 {
		o.Linger = linger
	}
	if o.OutboxBytes == 0 {
		o.OutboxBytes = 16 << 20
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = 256<<10 + 256
	}
	if o.MaxAge == 0 {
		o.MaxAge = 5 * time.Second
	}
	if o.regather == 0 {
		o.regather = regather
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Relay{options: o, origin: NewOrigin(), cancel: cancel}

	r.firehose.init(r, "firehose", o.Carrier, Channel{Name: o.Channel}, newOutbox(o.Shards, o.OutboxBytes, o.MaxEvent))
	r.firehose.publisher.pack = r.pack
	r.firehose.publisher.silence = func(shard int, next uint64) []byte { return appendHeader(nil, r.origin, shard, next, 0) }
	r.firehose.publisher.farewell = &Parcel{Channel: Channel{Name: o.Channel}, Text: appendFarewell(nil, r.origin)}
	r.firehose.subscriber.shards, r.firehose.subscriber.linger = o.Shards, o.Linger
	if o.Shards > 1 {
		channels := make([]Channel, o.Shards)
		for shard := range channels {
			channels[shard] = Channel{Name: o.Channel, Part: strconv.Itoa(shard)}
		}
		r.firehose.publisher.channel = func(shard int) Channel { return channels[shard] }
		r.firehose.publisher.presence = &Parcel{Channel: Channel{Name: o.Channel}, Text: appendHeader(nil, r.origin, o.Shards-1, 0, 0)}
		r.firehose.subscriber.fleet = o.Shards
	}
	if o.Demand == nil {
		r.firehose.subscriber.want(1<<o.Shards - 1)
	} else {
		r.firehose.subscriber.want(o.Demand())
	}
	r.receiver = receiver{self: r.origin, sink: o.Sink, owed: make([]uint64, o.Shards), maxEvent: o.MaxEvent, from: &r.firehose.subscriber, log: r.firehose.log}
	r.wait.Go(func() { r.firehose.publisher.run(ctx) })
	r.wait.Go(func() { r.receiver.run(ctx) })
	if o.Demand != nil {
		r.wait.Go(func() { r.followDemand(ctx) })
	}

	if o.Sessions != nil {
		// As large as what the other instances take: see maxSession.
		r.sessions.init(r, "sessions", o.SessionCarrier, Channel{Name: o.SessionChannel, Original: true}, newOutbox(1, o.OutboxBytes/4, o.maxSession()))
		r.sessions.publisher.pack = packSessions
		r.sessionReceiver = sessionReceiver{self: r.origin.String(), sink: o.Sessions, max: o.maxSession(), from: &r.sessions.subscriber, log: r.sessions.log}
		r.sessionReceiver.missed = r.sessions.subscriber.missed.give
		if o.Resubscribed != nil {
			r.wait.Go(func() { r.resubscribed(ctx) })
		}
		r.wait.Go(func() { r.sessions.publisher.run(ctx) })
		r.wait.Go(func() { r.sessionReceiver.run(ctx) })
	}
	if o.Sessions != nil && o.SessionCarrier == o.Carrier {
		r.wait.Go(func() { r.subscribe(ctx, &r.firehose, &r.sessions) })
		return r
	}
	r.wait.Go(func() { r.subscribe(ctx, &r.firehose) })
	if o.Sessions != nil {
		r.wait.Go(func() { r.subscribe(ctx, &r.sessions) })
	}
	return r
}

func (l *lane) init(r *Relay, name string, carrier Carrier, channel Channel, waiting *outbox) {
	o := &r.options
	l.carrier = carrier
	l.log = logger(o.Log, carrier)
	l.publisher = publisher{
		name: name, carrier: carrier,
		channel: func(int) Channel { return channel },
		outbox:  waiting,
		now:     o.now, maxAge: o.MaxAge, others: o.regather, log: l.log,
	}
	l.publisher.begin()
	l.subscriber = subscriber{
		name: name, channel: channel, inbox: newInbox(inboxMessages), log: l.log,
		hearing: make(map[string]*ear), changed: newSignal(), missed: newSignal(),
	}
}

// logger is of what goes wrong with a carrier, in an even rhythm.
func logger(log *zap.Logger, c Carrier) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return redis.Sampled(log.With(zap.Stringer(c.Kind(), c)))
}

// subscribe runs the subscribers of lanes over one connection.
func (r *Relay) subscribe(ctx context.Context, lanes ...*lane) {
	carrier := lanes[0].carrier
	log := logger(r.options.Log, carrier)
	in, err := carrier.In(ctx, func(err error) {
		if ctx.Err() == nil {
			log.Warn("relay: cannot subscribe", redis.Error(err))
		}
	})
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, in.Close)()
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() { l.subscriber.run(ctx, in) })
	}
	all.Wait()
	in.Close()
}

// resubscribed tells the owner that session events may have been missed, until ctx is
// done.
func (r *Relay) resubscribed(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.sessions.subscriber.missed:
			r.options.Resubscribed()
		}
		select { // who finds out what was missed reads all that is stored
		case <-ctx.Done():
			return
		case <-time.After(missedPause):
		}
	}
}

// missedPause is how long the owner is told nothing more of session events that were missed.
const missedPause = 3 * time.Second

// Origin is this instance's random id.
func (r *Relay) Origin() Origin { return r.origin }

// Offer hands an event, the concatenation of parts, to the other instances: raw
// JSON without line ends, as it was accepted. The parts are copied. at is the
// time of publishing. Events of the same shard stay in order. What cannot be taken
// is counted, and told to the others as a gap.
func (r *Relay) Offer(shard int, at ring.Tick, parts ...[]byte) {
	r.firehose.publisher.outbox.offer(shard, at, parts)
}

// pack makes one envelope of a batch.
func (r *Relay) pack(shard int, first uint64, b *ring.Batch) []message {
	text := make([]byte, 0, headerSize+4*b.Events+len(b.Bytes))
	text = appendHeader(text, r.origin, shard, first, b.Events)
	for i := range b.Events {
		text = appendLength(text, len(b.Event(i)))
	}
	text = append(text, b.Bytes...)
	return []message{{text, shard, first, b.Events, b.At(0)}}
}

// Drain waits until all that was offered has been published, or ctx is done. The
// caller has stopped offering.
func (r *Relay) Drain(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if r.firehose.drained() && (r.options.Sessions == nil || r.sessions.drained()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// drained looks at the queue first: the publisher stops being idle before it
// takes from the queue, so that what has left the queue is published if it is idle.
func (l *lane) drained() bool {
	p := &l.publisher
	return p.outbox.queued() == 0 && p.idle.Load()
}

// Close stops and waits for the relay's goroutines. What waits for a carrier is
// lost: Drain first.
func (r *Relay) Close() {
	r.cancel()
	r.wait.Wait()
}
