package stream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/transport/tidy"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// Options tunes a [Pool]. The zero value is what production runs.
type Options struct {
	// Loops is how many writer loops there are. Zero means [DefaultLoops].
	Loops int

	// FlushInterval is the longest pause between two sweeps under load. Zero
	// means 1 ms, negative never pauses.
	FlushInterval time.Duration

	// KeepAlive is how long a stream may be silent. Zero means 10 s, negative
	// never writes keep-alives.
	KeepAlive time.Duration

	// Stall is how long a consumer may take no byte at all before it is taken
	// for dead. Zero means 30 s.
	Stall time.Duration

	// MaxViews is how many different views consumers may have at once, besides
	// those that differ from the default in their wire only. Zero means 1,024.
	MaxViews int

	// MaxCompressed is how many different compressed streams there may be at once: each
	// costs every loop a compressor, of about 1 MiB with what it keeps. Zero means 64.
	MaxCompressed int

	// MaxConsumers is how many consumers there may be at once. Zero means 10,000.
	MaxConsumers int

	// LagBytes is how much may be kept for consumers that took a part of an event or
	// a block (the same bytes once per loop, small rests not counted), and half as much
	// for conflated views. Zero means 64 MiB.
	LagBytes int

	// Descriptors are those that consumers may have: from this number on they are
	// for others. Zero means all.
	Descriptors int

	// Elsewhere says that consumers that are sent away at the end find another instance
	// at once. Otherwise they have to wait for the one that follows this one.
	Elsewhere bool

	// Portable has goroutines read and write the sockets, as on systems without
	// epoll, also where there is one.
	Portable bool

	appendSkipped func(wire.Format, []byte, uint64) []byte // tests make notices long
	keepAlive     func(wire.Format) []byte
	hardPressed   time.Duration // tests have the time that they need
	drainStall    time.Duration // the same
	sweepTime     time.Duration // tests have none
	pass          int           // tests have small ones; see selectedEvents
	look          int           // the same; see holdLook

	// Log gets a line per consumer that is cut. Nil means none.
	Log *zap.Logger

	// Address is what the line says of its address. Nil means all.
	Address func(fmt.Stringer) zap.Field
}

// DefaultLoops is half the processors that we may use, at least one: the other half
// is for ingest.
func DefaultLoops() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (o *Options) setDefaults() {
	if o.Loops == 0 {
		o.Loops = DefaultLoops()
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = time.Millisecond
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 10 * time.Second
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.MaxViews == 0 {
		o.MaxViews = 1024
	}
	if o.MaxCompressed == 0 {
		o.MaxCompressed = 64
	}
	if o.MaxConsumers == 0 {
		o.MaxConsumers = 10_000
	}
	if o.LagBytes == 0 {
		o.LagBytes = 64 << 20
	}
	if o.sweepTime == 0 {
		o.sweepTime = sweepTime
	}
	if o.pass == 0 {
		o.pass = selectedEvents
	}
	if o.look == 0 {
		o.look = holdLook
	}
	if o.appendSkipped == nil {
		o.appendSkipped = wire.Format.AppendSkipped
	}
	if o.keepAlive == nil {
		o.keepAlive = wire.Format.KeepAlive
	}
	if o.hardPressed == 0 {
		o.hardPressed = hardPressed
	}
	if o.drainStall == 0 {
		o.drainStall = drainStall
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Address == nil {
		o.Address = func(addr fmt.Stringer) zap.Field { return zap.Stringer("address", addr) }
	}
}

// keepMost is the part of LagBytes that a loop has.
func (o *Options) keepMost() int64 { return int64(o.LagBytes / o.Loops) }

// clockTick is how often an idle loop looks at the clock, so how far a keep-alive
// or a cut may be from its time.
func (o *Options) clockTick() time.Duration {
	tick := min(250*time.Millisecond, o.Stall/4)
	if o.KeepAlive > 0 {
		tick = min(tick, o.KeepAlive/4)
	}
	return max(tick, time.Millisecond)
}

// Errors of [Pool.Admit].
var (
	ErrFull     = errors.New("stream: too many consumers")
	ErrViews    = errors.New("stream: too many different views")
	ErrDraining = errors.New("stream: draining")
)

// A Pool writes events to consumers. Its methods may be called by any goroutine.
type Pool struct {
	// Fixed after New.
	broker  *broker.Broker
	options Options
	began   time.Time
	loops   []*loop

	tidier    tidy.Tidier
	views     wantedViews
	ids       atomic.Uint64
	turn      atomic.Uint64       // picks the loop of the next consumer
	consumers atomic.Int64        // admitted and not yet closed
	kinds     [kinds]atomic.Int64 // of them, by wire
	closed    [reasons]atomic.Uint64
	draining  atomic.Bool
	ending    sync.Mutex // held by Drain
}

// New starts the loops.
func New(b *broker.Broker, o Options) (*Pool, error) {
	o.setDefaults()
	p := &Pool{broker: b, options: o, began: time.Now()}
	p.views = wantedViews{all: b.AllShards(), most: o.MaxViews, dense: o.MaxCompressed, views: map[view.View]*wanted{}}
	for range o.Loops {
		l, err := newLoop(p)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	return p, nil
}

// age is how long before a moment the pool began, in nanoseconds.
func (p *Pool) age(at time.Time) int64 { return int64(at.Sub(p.began)) }

// A ConsumerInfo describes one consumer at one moment. Delivered, skipped, passed
// over and lag are what was published since it came.
type ConsumerInfo struct {
	ID         uint64         `json:"id"`
	Addr       netip.AddrPort `json:"address"` // of the connection
	Client     netip.Addr     `json:"client"`  // the same, or behind a proxy
	Name       string         `json:"name"`    // that it gives itself
	Agent      string         `json:"user_agent"`
	Since      time.Time      `json:"since"`
	Wire       string         `json:"wire"`
	Shards     []int          `json:"shards"`
	View       view.View      `json:"view"`
	Delivered  uint64         `json:"delivered"`
	Skipped    uint64         `json:"skipped"`
	PassedOver uint64         `json:"passed_over"`
	Lag        uint64         `json:"lag"`
	Herd       bool           `json:"up_to_date"`
}

// Inspect lists the consumers. It asks the loops, so it costs them a moment.
func (p *Pool) Inspect() []ConsumerInfo {
	list := []ConsumerInfo{}
	for _, l := range p.loops {
		list = append(list, l.inspect()...)
	}
	return list
}

// Waiting is how long the slowest loop has had events waiting without writing
// any; 0 if none do. Seconds mean that the loop, or a publisher, is stuck.
func (p *Pool) Waiting() time.Duration {
	longest := time.Duration(0)
	for _, l := range p.loops {
		longest = max(longest, l.waiting())
	}
	return longest
}

// Drain admits nobody any more, delivers what was published, then keeps silent
// for the given time (a consumer that reconnects only after silence does so in
// it), and then ends the streams one by one over the window, each with a
// farewell. A stream that has not caught up when ctx is done is cut.
func (p *Pool) Drain(ctx context.Context, silence, window time.Duration) {
	p.draining.Store(true)
	p.ending.Lock() // one at a time; a second one finds nobody left
	defer p.ending.Unlock()
	plan := drainPlan{silence: silence, window: window, deadline: ctx.Done()}
	done := make(chan struct{})
	for _, l := range p.loops {
		go func() {
			l.drain(plan)
			done <- struct{}{}
		}()
	}
	for range p.loops {
		<-done
	}
}

// Post has a loop run f soon: between two of its sweeps, so f must be short. What is
// posted with the same turn is run by the same loop, in order. It reports false if the
// pool is closed.
func (p *Pool) Post(turn uint64, f func()) bool {
	return p.loops[turn%uint64(len(p.loops))].post(f)
}

// Close stops the loops; call Drain first. Consumers that are still there are cut.
func (p *Pool) Close() {
	for _, l := range p.loops {
		l.stop()
	}
	p.tidier.Stop()
}

// gone counts a closed consumer.
func (p *Pool) gone(c *consumer, why Reason, skipped uint64) {
	p.closed[why].Add(1)
	p.release(c.want, c.left)
	if c.link != nil {
		c.link.release()
	}
	if c.then != nil {
		c.then()
	}
	switch why {
	case ReasonStalled, ReasonVanished, ReasonDeadline, ReasonError, ReasonMemory:
		p.options.Log.Info("consumer cut", zap.Stringer("reason", why), zap.Uint64("consumer", c.id),
			p.options.Address(c.addr), zap.Duration("connected", time.Since(time.Unix(0, c.since))), zap.Uint64("skipped", skipped))
	}
}
