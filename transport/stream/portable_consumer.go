package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"event-dispatcher/broker"
)

// lingerTime is how long a consumer that was sent away may take to hang up.
const lingerTime = time.Second

// serve writes to one consumer until it is gone.
func (e *portable) serve(c *consumer, opening []byte) {
	defer e.running.Done()
	gone := make(chan Reason, 1)
	if c.link == nil {
		go func() { // what a consumer sends is ignored, that it closes is not
			_, err := io.Copy(io.Discard, c.conn)
			if err == nil || errors.Is(err, net.ErrClosed) {
				gone <- ReasonLeft // or whoever closed it knows better
			} else {
				gone <- reasonOf(err)
			}
			close(gone)
			e.tell()
		}()
	} else {
		close(gone) // somebody else reads
	}
	why := e.stream(c, opening, gone)
	if t, ok := c.conn.(interface{ CloseWrite() error }); ok && why == ReasonDrained {
		// Closed with bytes unread, or still to come, the connection would be
		// reset and take the end of the stream with it.
		t.CloseWrite()
		c.conn.SetReadDeadline(time.Now().Add(lingerTime))
		for range gone {
		}
	}
	c.conn.Close()
	for range gone { // until the reader has ended
	}
	e.mu.Lock()
	delete(e.consumers, c)
	if e.cut && why != ReasonDrained {
		why = ReasonDeadline
	}
	e.mu.Unlock()
	e.pool.gone(c, why, c.skipped)
}

func (e *portable) stream(c *consumer, opening []byte, gone <-chan Reason) Reason {
	if why, ok := e.write(c, opening); !ok {
		return why
	}
	var take intake
	written := time.Now()
	if c.link != nil {
		gone = nil
	}
	for {
		e.mu.Lock()
		seen, leave := e.news, e.mayLeaveLocked(c)
		e.mu.Unlock()
		if leave {
			why, ok := e.write(c, e.pool.farewell())
			if ok {
				why = ReasonDrained
			}
			return why
		}
		if p := c.link.take(); p != nil {
			if why, ok := e.write(c, p); !ok {
				return why
			}
			written = time.Now()
		}
		if c.link.hasEnded() {
			return ReasonLeft
		}
		before := time.Now() // the look for events: a keep-alive never stands in for one
		if e.collect(c, &take) {
			if why, ok := e.write(c, take.bytes); !ok {
				return why
			}
			e.took(c, &take)
			written = time.Now()
			continue
		}
		if e.needsKeepAlive(before.Sub(written)) {
			if why, ok := e.write(c, e.pool.options.keepAlive(e.pool.options.Format)); !ok {
				return why
			}
			written = time.Now()
		}
		if why, end := e.idle(c, seen, gone); end {
			return why
		}
	}
}

// An intake is what a consumer is about to be written.
type intake struct {
	cursors         []broker.Cursor // behind what was read; those in lag are behind what was written
	bytes           []byte
	skipped, events uint64
	runs            []run
}

// A run is events of one batch that were published at the same time.
type run struct {
	at broker.Tick
	n  uint64
}

// collect copies what c is behind, one batch per shard, so that no pin is held
// while the socket makes us wait. It reports whether there was anything.
func (e *portable) collect(c *consumer, take *intake) bool {
	take.cursors = append(take.cursors[:0], c.lag.cursors...)
	take.bytes, take.runs = take.bytes[:0], take.runs[:0]
	take.skipped, take.events = 0, 0
	e.reading.Lock()
	defer e.reading.Unlock()
	var b broker.Batch
	i := 0
	for shard := range c.shards.All() {
		if e.broker.Read(shard, &take.cursors[i], &b, 64<<10) {
			if b.Skipped > 0 {
				take.skipped += b.Skipped
				take.bytes = e.pool.options.appendSkipped(e.pool.options.Format, take.bytes, b.Skipped)
			}
			take.bytes = append(take.bytes, b.Bytes...)
			take.events += uint64(b.Events)
			for k := range b.Events {
				if n := len(take.runs); k > 0 && take.runs[n-1].at == b.At(k) {
					take.runs[n-1].n++
				} else {
					take.runs = append(take.runs, run{b.At(k), 1})
				}
			}
			b.Release()
		}
		i++
	}
	return len(take.bytes) > 0
}

// took notes that c's socket has taken all of it.
func (e *portable) took(c *consumer, take *intake) {
	e.mu.Lock()
	c.lag.cursors, take.cursors = take.cursors, c.lag.cursors
	c.skipped += take.skipped
	e.mu.Unlock()
	e.stats.delivered.Add(take.events)
	e.stats.skipped.Add(take.skipped)
	if take.events > 0 {
		e.stats.lag.observe(take.events, 1)
	}
	now := e.broker.Tick(time.Now())
	for _, r := range take.runs {
		e.stats.latency.observe(uint64(now.Since(r.at)), r.n)
	}
}

// needsKeepAlive tells for a consumer that got no byte for that long.
func (e *portable) needsKeepAlive(silent time.Duration) bool {
	o := &e.pool.options
	if o.KeepAlive <= 0 || silent < o.KeepAlive-o.clockTick() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.quiet
}

// mayLeaveLocked reports whether c is to leave and has got what it must. A hole
// keeps it, what other instances still publish does not.
func (e *portable) mayLeaveLocked(c *consumer) bool {
	if !c.lag.leaving {
		return false
	}
	i := 0
	for shard := range c.shards.All() {
		if c.lag.cursors[i].Behind(e.goals[shard]) > 0 {
			return false
		}
		i++
	}
	return true
}

// idle waits for news, and reports the end of the stream if its consumer is gone.
func (e *portable) idle(c *consumer, seen uint64, gone <-chan Reason) (Reason, bool) {
	e.mu.Lock()
	for e.news == seen && !e.mayLeaveLocked(c) {
		e.changed.Wait()
	}
	e.mu.Unlock()
	select {
	case why := <-gone:
		return why, true
	default:
		return 0, false
	}
}

// write hands p to the socket, however long it takes as long as it makes progress.
func (e *portable) write(c *consumer, p []byte) (Reason, bool) {
	e.stats.lagging.Add(1)
	defer e.stats.lagging.Add(-1)
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
		case errors.Is(err, net.ErrClosed):
			return ReasonDeadline, false // the drain closed it under us
		}
		return reasonOf(err), false
	}
	return 0, true
}
