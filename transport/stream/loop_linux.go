package stream

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/broker"
	"event-dispatcher/broker/wake"
)

const (
	// sweepBytes is the most a sweep takes from the ring at once.
	sweepBytes = 256 << 10
	// turnBytes is the most a laggard is given before the next one's turn.
	turnBytes = 256 << 10
	// leastServing is how long laggards are served, at least, before the herds'
	// turn: longer if the sweep took longer, so that both get on.
	leastServing = time.Millisecond
)

func newEngine(p *Pool) (engine, error) {
	if p.options.Portable {
		return newPortable(p)
	}
	return newLoop(p)
}

// A loop is one goroutine that owns consumers, by their descriptors. Everything
// below mailbox is touched by that goroutine only.
type loop struct {
	pool   *Pool
	broker *broker.Broker
	stats  *counters
	poll   *poller
	waiter *wake.Waiter
	ended  chan struct{}

	// moved is when the loop last swept or had nothing to sweep, as Unix
	// nanoseconds. Written by the loop, read by health probes.
	moved  atomic.Int64
	asleep atomic.Bool // nobody to write to

	mailbox struct {
		sync.Mutex
		orders []func()
		closed bool // the loop has ended and takes no more orders
	}

	pace    pace
	herds   map[broker.ShardSet]*herd
	fronts  []front     // by shard
	slots   []*consumer // by slot; nil where free
	free    []int32     // free slots
	ready   []*consumer // laggards whose socket may take bytes, in order of their turns
	checked time.Time   // when the clock last ticked
	drainer *drainer    // set while draining
	stopped bool
	batch   broker.Batch
	scratch []byte
}

func newLoop(p *Pool) (*loop, error) {
	reserveDescriptors(2*p.options.MaxConsumers + 1024) // while joining, a consumer has two
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	waiter, err := p.broker.Gate().Join(poll.wake)
	if err != nil {
		poll.close()
		return nil, err
	}
	l := &loop{
		pool:   p,
		broker: p.broker,
		stats:  newCounters(),
		poll:   poll,
		waiter: waiter,
		ended:  make(chan struct{}),
		pace:   pace{interval: p.options.FlushInterval},
		herds:  map[broker.ShardSet]*herd{},
		fronts: make([]front, p.broker.Shards()),
	}
	l.moved.Store(time.Now().UnixNano())
	go l.run()
	return l, nil
}

func (l *loop) counts() *counters { return l.stats }

// post has the loop run f soon, or reports false if the loop has ended.
func (l *loop) post(f func()) bool {
	l.mailbox.Lock()
	defer l.mailbox.Unlock()
	if l.mailbox.closed {
		return false
	}
	l.mailbox.orders = append(l.mailbox.orders, f)
	l.poll.wake()
	return true
}

func (l *loop) stop() {
	if l.post(func() { l.stopped = true }) {
		<-l.ended
		l.poll.close()
	}
}

func (l *loop) inspect() []ConsumerInfo {
	answer := make(chan []ConsumerInfo, 1)
	l.post(func() {
		list, heads := []ConsumerInfo{}, l.broker.Head(l.broker.AllShards())
		for _, c := range l.slots {
			switch {
			case c == nil:
			case c.lag != nil:
				list = append(list, c.info(c.lag.cursors, heads, c.lag.event))
			default:
				list = append(list, c.info(l.cursors(c.herd), heads, false))
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

// run is the loop. Each turn: sleep until there is something to do, note what
// the sockets say, do what was posted, sweep, let laggards catch up, look at
// the clock.
func (l *loop) run() {
	defer close(l.ended)
	defer l.waiter.Leave()
	swept, more := false, false // by the last turn; laggards with more to write
	for !l.stopped {
		if pause := l.pace.pause(); pause > 0 && swept && !more {
			// Not parked: publishers need not wake us.
			ts := unix.NsecToTimespec(pause.Nanoseconds())
			unix.Nanosleep(&ts, nil) // an early return costs nothing but a sweep
		}
		l.wait(swept || more)
		l.takeOrders()
		start := time.Now()
		events := l.sweep(start)
		now := start
		if swept = events > 0; swept {
			now = time.Now()
			l.pace.sweep(events, start, now)
		}
		if swept || !l.behind() {
			l.moved.Store(now.UnixNano())
		}
		more = l.serveReady(now, max(now.Sub(start), leastServing))
		l.onClock(now)
	}
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
		l.poll.wait(l.sleep(), l.onSocket)
		l.moved.Store(time.Now().UnixNano())
		l.asleep.Store(false)
		return
	}
	if park {
		l.waiter.Announce()
		if !l.pending() { // the second look: see package wake
			timeout = l.sleep()
		}
	}
	l.poll.wait(timeout, l.onSocket)
	if park {
		l.waiter.Retract()
	}
}

// pending reports whether a sweep would find something.
func (l *loop) pending() bool {
	for shard := range l.fronts {
		if f := &l.fronts[shard]; len(f.herds) > 0 && l.broker.Pending(shard, f.cursor) {
			return true
		}
	}
	return false
}

// behind reports whether a herd is behind its log, be it by a hole.
func (l *loop) behind() bool {
	for shard := range l.fronts {
		if f := &l.fronts[shard]; len(f.herds) > 0 && f.cursor.Behind(l.broker.HeadOf(shard)) > 0 {
			return true
		}
	}
	return false
}

// waiting implements engine. A loop without consumers sleeps for ever, and one
// with consumers looks at the clock now and then.
func (l *loop) waiting() time.Duration {
	if l.asleep.Load() {
		return 0
	}
	return max(0, time.Since(time.Unix(0, l.moved.Load()))-l.pool.options.clockTick())
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

// add takes the consumer's descriptor out of its net.Conn: the copy stays
// non-blocking, and the runtime's poller, buffers and finalizers are gone.
func (l *loop) add(c *consumer, opening []byte) {
	fd, err := duplicate(c.conn)
	if c.link == nil || err != nil { // a reader ends with it
		c.conn.Close()
	}
	c.conn = nil
	if err != nil {
		c.fd = -1 // there is none to answer on, or to end
		l.pool.gone(c, ReasonError, 0)
		return
	}
	setSocketOptions(fd, l.pool.options.Stall)
	c.fd = int32(fd)
	c.lag.rest = opening
	if !l.post(func() { l.adopt(c) }) {
		hangUp(fd, true)
		l.pool.gone(c, ReasonDrained, 0)
	}
}

func (l *loop) adopt(c *consumer) {
	now := time.Now()
	if n := len(l.free); n > 0 {
		c.slot, l.free = l.free[n-1], l.free[:n-1]
		l.slots[c.slot] = c
	} else {
		c.slot = int32(len(l.slots))
		l.slots = append(l.slots, c)
	}
	c.herd, c.place = l.herdFor(c.shards, c.lag.cursors, now), -1
	c.herd.lagging++
	c.lag.progress = now
	l.stats.lagging.Add(1)
	if err := l.poll.add(int(c.fd), int(c.slot)); err != nil {
		l.close(c, ReasonError)
		return
	}
	l.makeReady(c)
}

// herdFor is the herd of a set of shards. A shard that had none before is followed
// from the cursor of the herd's first consumer, so that a hole that holds that one
// up holds up the herd, and behind sees it.
func (l *loop) herdFor(set broker.ShardSet, cursors []broker.Cursor, now time.Time) *herd {
	if h := l.herds[set]; h != nil {
		return h
	}
	h := &herd{shards: slices.Collect(set.All()), written: now}
	for i, shard := range h.shards {
		f := &l.fronts[shard]
		if len(f.herds) == 0 {
			f.cursor = cursors[i]
		}
		f.herds = append(f.herds, h)
	}
	l.herds[set] = h
	return h
}

// forgetHerds lets go of herds that nobody needs.
func (l *loop) forgetHerds() {
	maps.DeleteFunc(l.herds, func(_ broker.ShardSet, h *herd) bool { return h.deserted() })
	for i := range l.fronts {
		f := &l.fronts[i]
		f.herds = slices.DeleteFunc(f.herds, (*herd).deserted)
	}
}

// cursors are where a herd stands, one per shard of its set.
func (l *loop) cursors(h *herd) []broker.Cursor {
	cursors := make([]broker.Cursor, len(h.shards))
	for i, shard := range h.shards {
		cursors[i] = l.fronts[shard].cursor
	}
	return cursors
}

// onSocket notes what a socket says.
func (l *loop) onSocket(slot int, events uint32) {
	c := l.slots[slot]
	if c == nil {
		return // closed earlier in the same round
	}
	switch {
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
		l.close(c, socketError(int(c.fd)))
	case events&unix.EPOLLRDHUP != 0:
		l.close(c, ReasonLeft)
	case c.lag != nil:
		l.makeReady(c)
	}
}

func (l *loop) makeReady(c *consumer) {
	if !c.lag.queued {
		c.lag.queued = true
		l.ready = append(l.ready, c)
	}
}

// write hands p to the socket. It returns how much was taken; a consumer whose
// socket failed is closed, and false returned.
func (l *loop) write(c *consumer, p []byte) (int, bool) {
	n, errno := send(int(c.fd), p)
	switch errno {
	case 0:
		return n, true
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM:
		return 0, true
	}
	l.close(c, reasonOf(errno))
	return 0, false
}

// close ends a consumer: the only place where one is closed (invariant 5).
func (l *loop) close(c *consumer, why Reason) {
	if why == ReasonVanished && answered(int(c.fd), userTimeout(l.pool.options.Stall)) {
		why = ReasonStalled
	}
	if c.lag == nil {
		c.herd.leave(c)
	} else {
		c.herd.lagging--
		l.stats.lagging.Add(-1)
		c.lag.queued = false // serveReady skips it
	}
	l.slots[c.slot] = nil
	l.free = append(l.free, c.slot)
	if c.link != nil {
		l.unlink(c, why)
	}
	hangUp(int(c.fd), why == ReasonDrained)
	c.fd = -1
	l.pool.gone(c, why, c.skipped)
}
