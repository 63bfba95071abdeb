package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
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

	mu        sync.Mutex
	changed   *sync.Cond // news, a tick of the clock, or the drain
	consumers map[*consumer]struct{}
	news      uint64 // grows when there may be something new
	quiet     bool   // no keep-alives any more
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
	e.running.Add(1)
	go e.watch()
	return e, nil
}

func (e *portable) counts() *counters { return e.stats }

// waiting implements engine: goroutines of consumers do not wait for each other.
func (e *portable) waiting() time.Duration { return 0 }

// watch follows the whole log and tells the consumers when it has moved, at most
// once per flush interval.
func (e *portable) watch() {
	defer e.running.Done()
	defer e.sleeper.Leave()
	all := e.broker.AllShards()
	cursors := e.broker.Head(all)
	pending := func() bool {
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
			for shard := range cursors {
				for e.broker.Read(shard, &cursors[shard], &b, 1<<30) {
					b.Release()
				}
			}
		}
		e.tell()
		if pause := e.pool.options.FlushInterval; pause > 0 && pending() {
			time.Sleep(pause) // under load only: a pause came before the first event
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
	already := e.stopped
	e.stopped = true
	e.mu.Unlock()
	if !already {
		close(e.quit)
	}
	e.running.Wait()
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
	e.running.Add(1)
	e.mu.Unlock()
	go e.serve(c, opening)
}

func (e *portable) inspect() []ConsumerInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []ConsumerInfo{}
	for c := range e.consumers {
		var heads []broker.Cursor
		for shard := range c.shards.All() {
			heads = append(heads, e.broker.HeadOf(shard))
		}
		in := c.info(c.lag.cursors, heads, false)
		in.Herd = in.Lag == 0
		list = append(list, in)
	}
	return list
}

// serve writes to one consumer until it is gone.
func (e *portable) serve(c *consumer, opening []byte) {
	defer e.running.Done()
	gone := make(chan struct{})
	go func() { // what a consumer sends is ignored, that it closes is not
		io.Copy(io.Discard, c.conn)
		close(gone)
		e.tell()
	}()
	why := e.stream(c, opening, gone)
	if t, ok := c.conn.(interface{ CloseWrite() error }); ok && why == ReasonDrained {
		t.CloseWrite()
	}
	c.conn.Close()
	<-gone
	e.mu.Lock()
	delete(e.consumers, c)
	e.mu.Unlock()
	e.changed.Broadcast()
	e.pool.gone(c, why, c.skipped)
}

func (e *portable) stream(c *consumer, opening []byte, gone <-chan struct{}) Reason {
	if why, ok := e.write(c, opening); !ok {
		return why
	}
	var buf []byte
	written := time.Now()
	for {
		e.mu.Lock()
		seen := e.news
		e.mu.Unlock()
		// The cursors in c.lag stand behind what has been written; these behind
		// what has been read.
		cursors := append([]broker.Cursor(nil), c.lag.cursors...)
		skipped, events, more := uint64(0), uint64(0), false
		buf, skipped, events, more = e.collect(c, cursors, buf[:0])
		if len(buf) > 0 {
			e.stats.lagging.Add(1)
			why, ok := e.write(c, buf)
			e.stats.lagging.Add(-1)
			if !ok {
				return why
			}
			e.mu.Lock()
			c.lag.cursors = cursors
			c.skipped += skipped
			e.mu.Unlock()
			e.stats.delivered.Add(events)
			e.stats.skipped.Add(skipped)
			written = time.Now()
		}
		if more {
			continue
		}
		if why, end := e.idle(c, seen, &written, gone); end {
			return why
		}
	}
}

// collect copies what c is behind, one batch per shard, so that no pin is held
// while the socket makes us wait.
func (e *portable) collect(c *consumer, cursors []broker.Cursor, buf []byte) (_ []byte, skipped, events uint64, more bool) {
	var b broker.Batch
	i := 0
	for shard := range c.shards.All() {
		if e.broker.Read(shard, &cursors[i], &b, 64<<10) {
			more = true
			if b.Skipped > 0 {
				skipped += b.Skipped
				buf = e.pool.options.Wire.AppendSkipped(buf, b.Skipped)
			}
			buf = append(buf, b.Bytes...)
			events += uint64(b.Events)
			if b.Events > 0 {
				e.stats.lag.observe(uint64(b.Events), 1)
				e.stats.latencies(&b, b.Events, 1, e.broker.Tick(time.Now()))
			}
			b.Release()
		}
		i++
	}
	return buf, skipped, events, more
}

// pending reports whether collect would find something.
func (e *portable) pending(c *consumer) bool {
	i := 0
	for shard := range c.shards.All() {
		if e.broker.Pending(shard, c.lag.cursors[i]) {
			return true
		}
		i++
	}
	return false
}

// idle waits for news. It writes keep-alives meanwhile, and reports the end of
// the stream.
func (e *portable) idle(c *consumer, seen uint64, written *time.Time, gone <-chan struct{}) (Reason, bool) {
	e.mu.Lock()
	for e.news == seen && !c.lag.leaving {
		e.changed.Wait()
	}
	leaving, quiet := c.lag.leaving, e.quiet
	e.mu.Unlock()
	select {
	case <-gone:
		return ReasonLeft, true
	default:
	}
	o := &e.pool.options
	if leaving {
		if e.pending(c) {
			return 0, false
		}
		why, ok := e.write(c, o.Wire.AppendFarewell(nil, Jitter(minRetry, maxRetry)))
		if ok {
			why = ReasonDrained
		}
		return why, true
	}
	if now := time.Now(); o.KeepAlive > 0 && !quiet && now.Sub(*written) >= o.KeepAlive-o.clockTick() {
		if why, ok := e.write(c, o.Wire.KeepAlive); !ok {
			return why, true
		}
		*written = now
	}
	return 0, false
}

// write hands p to the socket, however long it takes as long as it makes progress.
func (e *portable) write(c *consumer, p []byte) (Reason, bool) {
	for len(p) > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(e.pool.options.Stall))
		n, err := c.conn.Write(p)
		e.stats.bytes.Add(uint64(n))
		p = p[n:]
		if err == nil || n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ReasonStalled, false
		case errors.Is(err, syscall.ECONNRESET):
			return ReasonReset, false
		case errors.Is(err, syscall.EPIPE):
			return ReasonLeft, false
		case errors.Is(err, net.ErrClosed):
			return ReasonDeadline, false // the drain closed it under us
		}
		return ReasonError, false
	}
	return 0, true
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
	inTime := wait(plan.silence)
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
	for len(e.list()) > 0 {
		e.mu.Lock()
		for c := range e.consumers {
			c.lag.leaving = true
			if !inTime {
				c.conn.Close()
			}
		}
		e.mu.Unlock()
		e.tell()
		if !wait(endTick) {
			inTime = false
			time.Sleep(endTick)
		}
	}
}

const endTick = 5 * time.Millisecond

func (e *portable) list() []*consumer {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*consumer, 0, len(e.consumers))
	for c := range e.consumers {
		list = append(list, c)
	}
	return list
}
