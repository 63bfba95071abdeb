package stream

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/wake"
)

const (
	// sweepBytes is the most a sweep takes from the ring at once.
	sweepBytes = 256 << 10
	// turnBytes is the most a laggard is given before the next one's turn.
	turnBytes = 256 << 10
	// eachBytes is how many bytes of that an event takes at least that is read for one laggard
	// alone, and again for each of the view's conditions and members: to look at them takes
	// about as long. A thousand small events can be as much work as a few large ones.
	eachBytes = 64
	// leastServing is how long laggards are served, at least, before the herds'
	// turn: longer if the sweep took longer, so that both get on.
	leastServing = time.Millisecond
)

// A loop is one goroutine that owns consumers, by their sockets. Everything
// below mailbox is touched by that goroutine only.
type loop struct {
	pool    *Pool
	broker  *broker.Broker
	stats   *counters
	sockets sockets
	waiter  *wake.Waiter
	ended   chan struct{}

	// moved is when the loop last swept or had nothing to sweep, in nanoseconds
	// since the pool's start: a wall clock that jumps makes no loop look stuck.
	// Written by the loop, read by health probes.
	moved  atomic.Int64
	asleep atomic.Bool // nobody to write to

	mailbox struct {
		sync.Mutex
		orders []func()
		closed bool // the loop has ended and takes no more orders
	}

	pace       pace
	herds      map[*wanted]*herd
	live       group    // the herds that are swept whenever there is news
	delayed    []*group // those that may be late
	holding    group    // the conflated ones
	conflated  []*herd
	packed     []*herd
	deserted   []*herd     // to be forgotten, unless somebody comes back; some twice
	slots      []*consumer // by slot; nil where free
	free       []int32     // free slots
	ready      []*consumer // laggards whose socket may take bytes, in order of their turns
	starting   []*consumer // those of them for whom events are read alone,
	reading    []*consumer // and those for whom that were many
	checked    time.Time   // when the clock last ticked
	drainer    *drainer    // set while draining
	stopped    bool
	turn       uint64 // counts them
	pieces     map[pieceKey]*piece
	keepMost   int64                 // bytes of pieces
	crowded    uint64                // the turn in which there was nobody to make room for another
	secret     [16]byte              // of the keys of conflated views
	keys       map[string]*sharedKey // by their members' paths
	shaping    allowance
	packing    allowance
	heldEvents uint64 // that conflated herds were asked to hold back
	heldShard  int    // at which the next turn begins to hold events back

	over uint64 // events passed over that are not in stats yet: some are taken back within a turn
	peak int64  // bytes of pieces and of conflated herds, since memory was given back

	// For one batch, or one notice.
	batch   broker.Batch
	some    broker.Batch // of batch
	take    take
	scratch []byte
	ends    []int
	shaped  []byte
	picked  []int32
	notice  []byte
	share   share
	numbers []uint64 // of its events
	aside   []byte   // for one consumer of a compressed stream
	place   []uint64 // behind the event that is appended
	value   []byte   // behind the secret
	id      []byte
}

func newLoop(p *Pool) (*loop, error) {
	stats := newCounters()
	sockets, err := newSockets(&p.options, stats)
	if err != nil {
		return nil, err
	}
	waiter, err := p.broker.Gate().Join(sockets.wake)
	if err != nil {
		sockets.close()
		return nil, err
	}
	l := &loop{
		pool:    p,
		broker:  p.broker,
		stats:   stats,
		sockets: sockets,
		waiter:  waiter,
		ended:   make(chan struct{}),
		pace:    pace{interval: p.options.FlushInterval},
		herds:   map[*wanted]*herd{},
		live:    group{fronts: make([]front, p.broker.Shards())},
		holding: group{fronts: make([]front, p.broker.Shards())},
		keys:    map[string]*sharedKey{},

		pieces:   map[pieceKey]*piece{},
		keepMost: p.options.keepMost(),
	}
	rand.Read(l.secret[:])
	l.moved.Store(p.age(time.Now()))
	go l.run()
	return l, nil
}

// post has the loop run f soon, or reports false if the loop has ended.
func (l *loop) post(f func()) bool {
	l.mailbox.Lock()
	defer l.mailbox.Unlock()
	if l.mailbox.closed {
		return false
	}
	l.mailbox.orders = append(l.mailbox.orders, f)
	l.sockets.wake()
	return true
}

// stop ends the loop, and cuts the consumers that it still has.
func (l *loop) stop() {
	if l.post(func() { l.stopped = true }) {
		<-l.ended
		l.sockets.close()
	}
}

// inspect describes the loop's consumers, all at one moment.
func (l *loop) inspect() []ConsumerInfo {
	answer := make(chan []ConsumerInfo, 1)
	l.post(func() {
		list, heads := []ConsumerInfo{}, l.broker.Head(l.broker.AllShards())
		for _, c := range l.slots {
			if c != nil {
				list = append(list, c.info(heads))
			}
		}
		answer <- list
	})
	select {
	case list := <-answer:
		return list
	case <-l.ended:
		return nil
	}
}

// countOver counts what was passed over, once per turn: a counter must not go back.
func (l *loop) countOver() {
	if l.over != 0 {
		l.stats.passedOver.Add(l.over)
		l.over = 0
	}
}

// run is the loop. Each turn: sleep until there is something to do, note what
// the sockets say, do what was posted, sweep, let laggards catch up, look at
// the clock.
func (l *loop) run() {
	defer close(l.ended)
	defer l.waiter.Leave()
	swept, more := false, false // by the last turn; laggards with more to write
	for !l.stopped {
		if pause := l.pace.pause(l.live.hasty == 0); pause > 0 && swept && !more {
			l.sockets.pause(pause) // not parked: publishers need not wake us
		}
		l.wait(swept || more)
		l.takeOrders()
		start := time.Now()
		l.turn++
		events, cut := l.sweep(&l.live, start, start)
		held, late := l.sweepHolding(start)
		late = late || cut
		events = max(events, held) // mostly the same ones
		now := start
		if swept = events > 0; swept {
			now = time.Now()
			l.pace.sweep(events, start, now)
		}
		if swept || !l.live.behind(l.broker) && !l.holding.behind(l.broker) {
			l.moved.Store(l.pool.age(now))
		}
		serve := max(now.Sub(start), leastServing)
		late = l.sweepDelayed(now) || late
		l.letGo(now)
		l.closeBlocks(now)
		more = l.serveReady(time.Now(), serve) || late
		l.onClock(now)
		more = l.forgetHerds() || more
		l.countOver()
	}
	l.countOver()
	l.mailbox.Lock()
	l.mailbox.closed = true
	l.mailbox.Unlock()
	l.takeOrders()
	for _, c := range l.slots { // came after the drain, or there was none
		if c != nil {
			l.close(c, ReasonDeadline)
		}
	}
}

// wait takes what the sockets say. Unless busy it parks first.
func (l *loop) wait(busy bool) {
	timeout := time.Duration(0)
	park := !busy
	if park && len(l.herds) == 0 { // no consumers, so events are no news
		l.asleep.Store(true)
		l.sockets.wait(l.sleep(), l)
		l.moved.Store(l.pool.age(time.Now()))
		l.asleep.Store(false)
		return
	}
	listen := false
	if park {
		timeout, listen = l.untilDelayed(time.Now(), l.sleep())
		if listen = listen || len(l.live.herds)+len(l.holding.herds) > 0; listen {
			l.waiter.Announce()
			if l.pending() { // the second look: see package wake
				timeout = 0
			}
		}
	}
	l.sockets.wait(timeout, l)
	if listen {
		l.waiter.Retract()
	}
}

// pending reports whether there is news of which the loop does not know.
func (l *loop) pending() bool {
	if l.live.pending(l.broker) || l.holding.pending(l.broker) {
		return true
	}
	for _, g := range l.delayed {
		if g.due.IsZero() && g.pending(l.broker) {
			return true
		}
	}
	return false
}

// waiting is how long events have been waiting for the loop; 0 if none do. A loop
// without consumers sleeps for ever, and one with consumers looks at the clock now
// and then.
func (l *loop) waiting() time.Duration {
	if l.asleep.Load() {
		return 0
	}
	return max(0, time.Duration(l.pool.age(time.Now())-l.moved.Load())-l.pool.options.clockTick())
}

// sleep is how long nothing needs the clock.
func (l *loop) sleep() time.Duration {
	if l.drainer != nil && (!l.drainer.over || len(l.slots) > len(l.free)) {
		return drainTick
	}
	if len(l.herds) == 0 {
		return -1
	}
	return max(0, time.Until(l.checked.Add(l.pool.options.clockTick())))
}

func (l *loop) takeOrders() {
	l.mailbox.Lock()
	orders := l.mailbox.orders
	l.mailbox.orders = nil
	l.mailbox.Unlock()
	for _, f := range orders {
		f()
	}
}
