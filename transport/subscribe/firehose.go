package subscribe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/wake"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
)

// A Firehose is the stream of all events over WebSocket: a log derived from the
// broker's, with the events framed for that wire, and a pool that writes it. One
// goroutine builds each frame once, for all consumers, and only while there are
// consumers.
//
// The derived log has the same shards, events in the same order, and skips in the
// same places. If the broker overtakes the goroutine, the derived log says how
// many events that cost; if the derived log overtakes a consumer, the pool does.
type Firehose struct {
	// Fixed after NewFirehose.
	from   *broker.Broker
	to     *broker.Broker
	pool   *stream.Pool
	offset broker.Tick // of to's ticks from from's

	mu      sync.Mutex // guards what follows; held while frames are built
	running bool
	closed  bool
	cursors []broker.Cursor // by shard of from
	owed    []uint64        // by shard: events that could not be put into to
	scratch []byte
	batch   broker.Batch
	end     chan struct{}
	work    sync.WaitGroup
}

// NewFirehose derives from b. Its ring takes up to about the given bytes, or more
// if the largest events need it; nothing before the first consumer comes.
func NewFirehose(b *broker.Broker, bytes int, o stream.Options) (*Firehose, error) {
	if o.Loops == 0 {
		o.Loops = stream.DefaultLoops()
	}
	size := broker.Options{
		Shards:   b.Shards(),
		Bytes:    bytes,
		MaxEvent: b.MaxEvent() + wire.MaxTextHeader,
		Readers:  o.Loops + 1,
		Lazy:     true, // there may never be a consumer
	}
	to, err := broker.New(size)
	for ; err != nil && size.Bytes < 1<<40; size.Bytes *= 2 {
		to, err = broker.New(size)
	}
	if err != nil {
		return nil, fmt.Errorf("log of the firehose: %w", err)
	}
	o.Format = wire.Format{Kind: wire.WebSocket}
	pool, err := stream.New(to, o)
	if err != nil {
		return nil, fmt.Errorf("writer loops of the firehose: %w", err)
	}
	now := time.Now()
	return &Firehose{
		from: b, to: to, pool: pool, offset: to.Tick(now) - b.Tick(now),
		owed: make([]uint64, b.Shards()), end: make(chan struct{}),
	}, nil
}

// Pool writes the firehose.
func (f *Firehose) Pool() *stream.Pool { return f.pool }

// Running reports whether frames are built.
func (f *Firehose) Running() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// Drain frames what is published so far, and then ends the streams: see
// [stream.Pool.Drain].
func (f *Firehose) Drain(ctx context.Context, silence, window time.Duration) {
	f.mu.Lock()
	if f.running {
		f.deriveLocked()
	}
	f.mu.Unlock()
	f.pool.Drain(ctx, silence, window)
}

// Close ends the goroutine and the pool. Drain first.
func (f *Firehose) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.end)
	}
	f.mu.Unlock()
	f.work.Wait()
	f.pool.Close()
}

// admit reserves a place for a consumer, which gets what is published from now on:
// what was published before is put into the derived log first.
func (f *Firehose) admit(shards broker.ShardSet) (stream.Ticket, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return stream.Ticket{}, stream.ErrDraining
	}
	if f.running {
		f.deriveLocked()
		return f.pool.Admit(shards)
	}
	f.cursors = f.from.Head(f.from.AllShards())
	ticket, err := f.pool.Admit(shards)
	if err != nil {
		return ticket, err
	}
	sleeper, err := f.from.Gate().NewSleeper()
	if err != nil {
		ticket.Forget()
		return ticket, stream.ErrFull
	}
	f.running = true
	f.work.Go(func() { f.run(sleeper) })
	return ticket, nil
}

// run derives while there are consumers.
func (f *Firehose) run(sleeper *wake.Sleeper) {
	defer sleeper.Leave()
	for {
		select {
		case <-f.end:
			return
		case <-sleeper.News(f.pending):
		}
		events, more := f.derive()
		if !more {
			return
		}
		if events > crowd { // under load, frame many at a time
			time.Sleep(crowdPause)
		}
	}
}

// pending reports whether there is something to derive.
func (f *Firehose) pending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for shard, c := range f.cursors {
		if f.from.Pending(shard, c) {
			return true
		}
	}
	return false
}

// A turn that found more than crowd events is followed by a pause: a goroutine
// that is always busy would keep a processor from looking at the network.
const (
	crowd      = 8
	crowdPause = time.Millisecond
)

// derive takes a turn. It reports false when nobody listens any more: the next
// consumer starts anew.
func (f *Firehose) derive() (events int, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = f.pool.Consumers() > 0
	if f.running {
		events = f.deriveLocked()
	}
	return events, f.running
}

// deriveBytes is how much is framed before somebody else may have the lock.
const deriveBytes = 256 << 10

// deriveLocked frames what is new in each shard, about deriveBytes of it a time.
func (f *Firehose) deriveLocked() (events int) {
	b := &f.batch
	for shard := range f.cursors {
		goal := f.from.HeadOf(shard)
		for f.cursors[shard].Behind(goal) > 0 && f.from.Read(shard, &f.cursors[shard], b, deriveBytes) {
			f.owed[shard] += b.Skipped
			for i := range b.Events {
				f.settle(shard)
				f.frame(shard, b.At(i), b.Event(i))
			}
			f.settle(shard)
			events += b.Events
			b.Release()
		}
	}
	return events
}

// frame puts one event into the derived log.
func (f *Firehose) frame(shard int, at broker.Tick, event []byte) {
	text := wire.JSON(event)
	f.scratch = wire.AppendTextHeader(f.scratch[:0], len(text))
	if f.owed[shard] > 0 || f.to.Publish(shard, at+f.offset, f.scratch, text) != nil {
		f.owed[shard]++
	}
}

// settle tells the derived log what it will never get.
func (f *Firehose) settle(shard int) {
	if f.owed[shard] > 0 && f.to.Skip(shard, f.owed[shard]) == nil {
		f.owed[shard] = 0
	}
}
