package relay

import (
	"context"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/ring"

	"go.uber.org/zap"
)

const (
	maxEnvelope = 64 << 10               // events of an envelope end here; one event may be larger
	maxPipeline = 16                     // messages sent before an answer is awaited
	sendPause   = time.Millisecond       // between two sendings while events trickle: they share an envelope
	announce    = time.Second            // how often a silent instance tells its sequence
	regather    = 3 * time.Second        // how long others may take to listen again, by default
	settle      = time.Second            // how long they get where nobody knows whether they listen
	checkPause  = 200 * time.Millisecond // between two checks of a carrier that is not there
	lookPause   = 50 * time.Millisecond  // between two looks whether they do
	longAgo     = 50 * 24 * time.Hour    // half the time that ticks take to wrap
	patience    = 500 * time.Millisecond // how long one sending may take before the relay counts as down
)

// A message is what travels as one.
type message struct {
	text   []byte
	shard  int
	first  uint64 // sequence of its first event
	events int
	at     ring.Tick // of its first event
}

// A feed is the publisher's place in one log of the outbox.
type feed struct {
	cursor  ring.Cursor
	next    uint64 // sequence of the next event
	refused uint64 // of the log's refused, how many are in next
	heard   int    // how many got its last message
}

// A publisher is the one reader of an outbox. It is one goroutine.
type publisher struct {
	// Fixed before run.
	name     string // for logs
	outbox   *outbox
	channel  func(shard int) Channel
	pack     func(shard int, first uint64, b *ring.Batch) []message // in order, all of the batch
	silence  func(shard int, next uint64) []byte                    // the empty message, or nil if the channel has none
	farewell *Parcel                                                // tells the others not to wait for this instance, or nil
	presence *Parcel                                                // tells how many shards there are, or nil if one channel has all
	now      func() ring.Tick
	maxAge   time.Duration
	others   time.Duration // how long they may take to listen again
	carrier  Carrier
	log      *zap.Logger

	// Owned by run.
	out     Out
	feeds   []feed // by shard
	turn    int    // the shard that was read last
	batch   ring.Batch
	pending []message
	parcels []Parcel
	parted  bool // the carrier was not there: who listened may not yet listen again

	// Written by run, read by Stats and Drain.
	up          atomic.Bool
	sendingFrom atomic.Int64  // Unix ns at which the current sending began; 0: none
	idle        atomic.Bool   // all that was offered is published or dropped
	published   atomic.Uint64 // events that the carrier took
	messages    atomic.Uint64
	bytes       atomic.Uint64
	lapped      atomic.Uint64 // events dropped because the outbox was full
	expired     atomic.Uint64 // events dropped because they were old
	unanswered  atomic.Uint64 // events that were sent, had no answer, and were too old to be sent again
	rejected    atomic.Uint64 // events dropped because the carrier would not take them
	receivers   atomic.Int64  // of the last message
	delay       atomic.Int64  // ns; of the last message's first event until it was taken
	failures    atomic.Uint64 // sendings that failed and were repeated
}

// isUp reports whether the carrier takes what is published, right now.
func (p *publisher) isUp() bool {
	from := p.sendingFrom.Load()
	return p.up.Load() && (from == 0 || time.Now().UnixNano()-from < int64(patience))
}

// begin takes the publisher's place before the first event is offered.
func (p *publisher) begin() {
	p.receivers.Store(Unheard) // so far
	p.feeds = make([]feed, len(p.outbox.logs))
	for i := range p.feeds {
		p.feeds[i].cursor = p.outbox.logs[i].ring.Head()
	}
}

// run publishes until ctx is done.
func (p *publisher) run(ctx context.Context) {
	sleeper, err := p.outbox.gate.NewSleeper()
	if err != nil {
		panic("relay: an outbox has one publisher: " + err.Error())
	}
	defer sleeper.Leave()
	p.idle.Store(true) // until connected, all that was offered is in the outbox
	p.out, err = p.carrier.Out(ctx, func(err error) { p.complain(ctx, err) })
	if err != nil {
		return
	}
	p.idle.Store(false)
	defer p.out.Close()
	defer p.leave()
	p.complain(ctx, nil)

	timer := time.NewTimer(announce)
	defer timer.Stop()
	var checked time.Time
	for ctx.Err() == nil {
		if time.Since(checked) >= announce { // also while there is no second without events
			if !p.check(ctx) {
				// What waits is better off in the outbox, which knows how old it is, than
				// on its way to a replica, or in the buffers of a connection that may
				// carry it on when it is old.
				select {
				case <-ctx.Done():
				case <-time.After(checkPause):
				}
				continue
			}
			checked = time.Now()
		}
		p.collect()
		if len(p.pending) > 0 {
			full := len(p.pending) == maxPipeline
			begin := time.Now()
			p.send(ctx)
			if !full { // events come slower than they go: let some gather
				time.Sleep(sendPause - time.Since(begin))
			}
			continue
		}
		p.idle.Store(!p.waiting())
		timer.Reset(announce)
		select {
		case <-ctx.Done():
		case <-sleeper.News(p.waiting):
		case <-timer.C:
			p.silent(ctx)
		}
		p.idle.Store(false)
	}
}

// leave says that this instance ends, if it can be said.
func (p *publisher) leave() {
	if p.farewell != nil && p.isUp() {
		p.out.Publish([]Parcel{*p.farewell})
	}
}

// waiting reports whether there is something to collect.
func (p *publisher) waiting() bool {
	for i := range p.feeds {
		if p.outbox.logs[i].ring.Pending(p.feeds[i].cursor) {
			return true
		}
	}
	return false
}

// check finds out whether the carrier is there and where it should be, and tells the
// others how many shards there are. It reports whether events may go out.
func (p *publisher) check(ctx context.Context) bool {
	p.sendingFrom.Store(time.Now().UnixNano())
	err := p.out.Check()
	p.sendingFrom.Store(0)
	if err == nil && p.presence != nil {
		parcels := []Parcel{*p.presence}
		p.out.Publish(parcels)
		err = parcels[0].Err
	}
	if err != nil {
		p.parted = true
	}
	if err != nil || p.up.Load() {
		p.complain(ctx, err)
	}
	return err == nil
}

// silent sends the sequences when there is nothing else to send.
func (p *publisher) silent(ctx context.Context) {
	var err error
	p.delay.Store(0) // nothing waits
	if p.silence != nil {
		p.parcels = p.parcels[:0]
		for shard := range p.feeds {
			p.parcels = append(p.parcels, Parcel{Channel: p.channel(shard), Text: p.silence(shard, p.feeds[shard].next)})
		}
		err = p.publish()
		for shard, parcel := range p.parcels {
			p.feeds[shard].note(parcel)
			if parcel.Err == nil {
				p.receivers.Store(int64(parcel.Heard))
			}
		}
	}
	p.complain(ctx, err)
}

// note remembers how many get the feed's messages.
func (f *feed) note(p Parcel) {
	if p.Err == nil {
		f.heard = p.Heard
	}
}

// collect reads the outbox into messages, a pipeline full at most, the shards by turns.
func (p *publisher) collect() {
	for dry := 0; dry < len(p.feeds) && len(p.pending) < maxPipeline; {
		p.turn = (p.turn + 1) % len(p.feeds)
		if p.read(p.turn) {
			dry = 0
		} else {
			dry++
		}
	}
	for i := range p.feeds {
		f, l := &p.feeds[i], &p.outbox.logs[i]
		// What the ring refused has no place in its order; it counts from here on.
		refused := l.refused.Load()
		f.next += refused - f.refused
		f.refused = refused
		l.read.Store(f.cursor.Sequence())
	}
}

// read takes up to an envelope from one log, and reports whether there was anything.
func (p *publisher) read(shard int) bool {
	f, r := &p.feeds[shard], p.outbox.logs[shard].ring
	if !r.Read(&f.cursor, &p.batch, p.most()) {
		return false
	}
	defer p.batch.Release()
	p.lapped.Add(p.batch.Skipped)
	f.next += p.batch.Skipped
	old := 0
	for old < p.batch.Events && p.isOld(p.batch.At(old)) {
		old++
	}
	if old > 0 {
		// Take the old ones as read: the next batch starts behind them.
		p.expired.Add(uint64(old))
		f.next += uint64(old)
		f.cursor = p.batch.Cursor(old)
		return true
	}
	if p.batch.Events > 0 {
		p.pending = append(p.pending, p.pack(shard, f.next, &p.batch)...)
		f.next += uint64(p.batch.Events)
	}
	return true
}

// most is how many bytes of events a message may have. In the worst case each is one
// byte, and its length takes four more.
func (p *publisher) most() int {
	if limit := p.out.MaxMessage(); limit > 0 {
		return max(min(maxEnvelope, (limit-headerSize)/5), 1)
	}
	return maxEnvelope
}

// isOld reports whether an event of that time has waited for too long.
func (p *publisher) isOld(at ring.Tick) bool {
	age := p.now().Since(at).Duration()
	return p.maxAge > 0 && age > p.maxAge && age <= longAgo // older than longAgo: the tick wrapped, and lies in the future
}
