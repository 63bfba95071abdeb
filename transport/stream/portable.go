package stream

import (
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/wake"
)

// portable is the engine for systems without epoll: a goroutine per consumer,
// each with its own cursors, and one more that watches the log for all of them.
type portable struct {
	pool    *Pool
	broker  *broker.Broker
	stats   *counters
	sleeper *wake.Sleeper
	quit    chan struct{} // closed by stop
	running sync.WaitGroup

	reading sync.Mutex   // held while a segment is pinned, so by one goroutine at a time
	moved   atomic.Int64 // when watch last read or found nothing to read, as Unix nanoseconds

	mu        sync.Mutex
	changed   *sync.Cond // news, a tick of the clock, or the drain
	consumers map[*consumer]struct{}
	news      uint64          // grows when there may be something new
	quiet     bool            // no keep-alives any more
	goals     []broker.Cursor // by shard: how far a consumer must be to leave
	over      bool            // drained; whoever comes now leaves at once
	cut       bool            // time is up: connections were closed
	stopped   bool
}

func newPortable(p *Pool) (engine, error) {
	sleeper, err := p.broker.Gate().NewSleeper()
	if err != nil {
		return nil, err
	}
	e := &portable{
		pool: p, broker: p.broker, stats: newCounters(), sleeper: sleeper,
		quit: make(chan struct{}), consumers: map[*consumer]struct{}{},
	}
	e.changed = sync.NewCond(&e.mu)
	e.moved.Store(time.Now().UnixNano())
	e.running.Add(1)
	go e.watch()
	return e, nil
}

func (e *portable) counts() *counters { return e.stats }

// waiting implements engine. Goroutines of consumers do not wait for each other,
// but all of them for what watch sees.
func (e *portable) waiting() time.Duration {
	e.mu.Lock()
	consumers := len(e.consumers)
	e.mu.Unlock()
	if consumers == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(0, e.moved.Load()))-e.pool.options.clockTick())
}

// watch follows the whole log and tells the consumers when it has moved, at most
// once per flush interval.
func (e *portable) watch() {
	defer e.running.Done()
	defer e.sleeper.Leave()
	all := e.broker.AllShards()
	cursors := e.broker.Head(all)
	pending := func() bool {
		e.reading.Lock()
		defer e.reading.Unlock()
		for shard := range cursors {
			if e.broker.Pending(shard, cursors[shard]) {
				return true
			}
		}
		return false
	}
	clock := time.NewTicker(e.pool.options.clockTick())
	defer clock.Stop()
	var b broker.Batch
	for {
		select {
		case <-e.quit:
			return
		case <-clock.C:
		case <-e.sleeper.News(pending):
		}
		e.reading.Lock()
		read, behind := false, false
		for shard := range cursors {
			for e.broker.Read(shard, &cursors[shard], &b, 1<<30) {
				b.Release()
				read = true
			}
			behind = behind || cursors[shard].Behind(e.broker.HeadOf(shard)) > 0
		}
		e.reading.Unlock()
		if read || !behind {
			e.moved.Store(time.Now().UnixNano())
		}
		e.tell()
		if pause := e.pool.options.FlushInterval; pause > 0 && pending() {
			select { // under load only: a pause came before the first event
			case <-e.quit:
			case <-time.After(pause):
			}
		}
	}
}

// tell has every consumer look again.
func (e *portable) tell() {
	e.mu.Lock()
	e.news++
	e.mu.Unlock()
	e.changed.Broadcast()
}

func (e *portable) stop() {
	e.mu.Lock()
	if !e.stopped {
		e.stopped = true
		close(e.quit)
	}
	e.cutLocked() // came after the drain, or there was none
	e.mu.Unlock()
	e.running.Wait()
}

// cutLocked closes the connections of all consumers.
func (e *portable) cutLocked() {
	e.cut = true
	for c := range e.consumers {
		c.conn.Close()
	}
}

func (e *portable) add(c *consumer, opening []byte) {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		c.conn.Close()
		e.pool.gone(c, ReasonDrained, 0)
		return
	}
	e.consumers[c] = struct{}{}
	c.lag.leaving = e.over
	e.running.Add(1)
	e.mu.Unlock()
	go e.serve(c, opening)
}

func (e *portable) answer(*consumer) { e.tell() }
func (e *portable) end(*consumer)    { e.tell() }

func (e *portable) inspect() []ConsumerInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	list, heads := []ConsumerInfo{}, e.broker.Head(e.broker.AllShards())
	for c := range e.consumers {
		in := c.info(c.lag.cursors, heads, false)
		in.Herd = in.Lag == 0
		list = append(list, in)
	}
	return list
}

func (e *portable) drain(plan drainPlan) {
	e.mu.Lock()
	e.quiet = true
	e.mu.Unlock()
	wait := func(d time.Duration) bool {
		select {
		case <-plan.deadline:
			return false
		case <-time.After(d):
			return true
		}
	}
	inTime := true
	for end := time.Now().Add(plan.silence); inTime && len(e.list()) > 0 && time.Now().Before(end); {
		inTime = wait(min(drainTick, time.Until(end)))
	}
	e.mu.Lock()
	e.goals = e.broker.Head(e.broker.AllShards())
	e.mu.Unlock()
	list := e.list()
	for _, c := range list {
		if inTime = inTime && wait(plan.window/time.Duration(len(list))); !inTime {
			break
		}
		e.mu.Lock()
		c.lag.leaving = true
		e.mu.Unlock()
		e.changed.Broadcast()
	}
	// The rest end as soon as they have caught up, or when time is up.
	for {
		e.mu.Lock()
		if len(e.consumers) == 0 {
			e.over = true
			e.mu.Unlock()
			return
		}
		for c := range e.consumers {
			c.lag.leaving = true
		}
		if !inTime {
			e.cutLocked()
		}
		e.mu.Unlock()
		e.tell()
		if !wait(drainTick) {
			inTime = false
			time.Sleep(drainTick)
		}
	}
}

func (e *portable) list() []*consumer {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*consumer, 0, len(e.consumers))
	for c := range e.consumers {
		list = append(list, c)
	}
	return list
}
