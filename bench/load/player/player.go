// Package player publishes events the way players do: one event per POST, over
// many connections.
//
// At a fixed rate the loop is open: event k is due at a fixed time whatever
// the server does, and its latency counts from then, so a server that stalls
// cannot hide the wait (no coordinated omission). At the maximum rate the loop
// is closed: each connection publishes as soon as it has room in its pipeline.
//
// A few threads own all connections through epoll. There is no goroutine, no
// deadline and no allocation per event, because the players share the machine
// with the server they measure.
package player

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/clock"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/ledger"
	"event-dispatcher/bench/load/sock"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Options says what to publish, where, and how fast.
type Options struct {
	Targets  []sock.Addr // lanes are dealt out among them
	Path     string
	Sources  [][4]byte // addresses to connect from, in turn
	Foreign  bool      // the server is another one
	Envelope event.Envelope
	Conns    int
	Depth    int     // events under way per connection
	Threads  int     // loops; at most Conns
	Rate     float64 // events per second over all; 0 is the maximum rate
	PerEvent bool    // a connection per event
	Unload   float64 // share of events whose connection is reset unanswered
	Grace    time.Duration

	Run    uint32
	Clock  clock.Clock
	Begin  int64 // when the first event is due
	Window clock.Window
	Book   *ledger.Book
	// NewSource returns the events of lane number i.
	NewSource func(i int) event.Source

	stopAt atomic.Int64
}

// Players is a running set of players.
type Players struct {
	opt   *Options
	loops []*loop
	done  chan struct{}
	errs  []error
}

// Result is what players saw.
type Result struct {
	Latency         *hdrhistogram.Histogram // ns from intended time to answer
	Late            *hdrhistogram.Histogram // ns from intended time to write, lane free
	Statuses        map[int]uint64
	Refusal         string // first answer that was not 200
	ConnectionError string // last
	Unsent          uint64 // due before the end, not published
}

// Start begins to publish at opt.Begin and ends at stopAt, both on opt.Clock.
// It keeps opt.
func Start(opt *Options, stopAt int64) (*Players, error) {
	opt.stopAt.Store(stopAt)
	threads := max(1, min(opt.Threads, opt.Conns))
	p := &Players{opt: opt, done: make(chan struct{}), errs: make([]error, threads)}
	next := new(atomic.Uint32)
	for i := range threads {
		poller, err := sock.NewPoller()
		if err != nil {
			return nil, err
		}
		l := &loop{
			opt: opt, poller: poller, next: next,
			rng:    rand.New(rand.NewPCG(uint64(opt.Run), uint64(i))),
			stride: uint64(threads), phase: uint64(i),
			latency: newHistogram(), late: newHistogram(),
			buf: make([]byte, 2*maxAnswer),
		}
		for n := i; n < opt.Conns; n += threads {
			ln := newLane(int32(len(l.lanes)), n, opt)
			l.lanes = append(l.lanes, ln)
			l.offer(ln)
		}
		p.loops = append(p.loops, l)
	}
	var wg sync.WaitGroup
	for i, l := range p.loops {
		wg.Go(func() {
			defer l.poller.Close()
			if p.errs[i] = l.run(); p.errs[i] != nil {
				p.Stop()
			}
		})
	}
	go func() {
		wg.Wait()
		close(p.done)
	}()
	return p, nil
}

// Stop ends publishing now; events under way still get their grace.
func (p *Players) Stop() {
	now := p.opt.Clock.Now()
	for {
		at := p.opt.stopAt.Load()
		if at <= now || p.opt.stopAt.CompareAndSwap(at, now) {
			return
		}
	}
}

// Done is closed when the last loop has ended.
func (p *Players) Done() <-chan struct{} { return p.done }

// Threads returns the kernel's numbers of the loops' threads.
func (p *Players) Threads() []int {
	var tids []int
	for _, l := range p.loops {
		tids = append(tids, int(l.tid.Load()))
	}
	return tids
}

// Result waits for the end. The error joins those of the loops; the result is
// valid with it.
func (p *Players) Result() (Result, error) {
	<-p.done
	r := Result{Latency: newHistogram(), Late: newHistogram(), Statuses: make(map[int]uint64)}
	stopped := p.opt.stopAt.Load()
	for _, l := range p.loops {
		l.merge(&r)
		for p.opt.Rate > 0 && l.due() < stopped {
			r.Unsent++
			l.turn++
		}
	}
	return r, errors.Join(p.errs...)
}
