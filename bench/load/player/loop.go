package player

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/sock"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// loop is one thread that owns some of the lanes and keeps its part of the
// rate.
type loop struct {
	opt    *Options
	poller *sock.Poller
	lanes  []*lane
	next   *atomic.Uint32 // producer numbers, shared by all loops
	rng    *rand.Rand

	// The schedule: this loop owes events number phase, phase+stride, ...
	stride, phase uint64
	turn          uint64

	ready   []*lane // lanes with room, first come first served
	cooling []*lane // lanes that failed, until retryAt
	retryAt int64
	flying  int
	starved bool // the last pass ended for want of a lane
	sources int  // connections made, for the choice of a source address

	// The loop's own, read by others when it has ended.
	latency  *hdrhistogram.Histogram
	late     *hdrhistogram.Histogram // write time minus intended time, when a lane was free
	statuses [600]uint64
	refusal  string // first answer that was not 200
	failures int    // since the last answer
	failedAt int64  // first of them
	lastErr  error
	tid      atomic.Int32

	scratch, buf []byte
}

// newHistogram holds 1 µs to 100 s at three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 100e9, 3) }

func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.tid.Store(int32(unix.Gettid()))
	sock.Exact()
	if l.opt.Rate > 0 {
		sock.Urgent()
	}
	defer l.closeAll()

	for {
		now := l.opt.Clock.Now()
		if now >= l.retryAt {
			for _, ln := range l.cooling {
				ln.queued = false
				l.offer(ln)
			}
			l.cooling = l.cooling[:0]
		}
		stopped := now >= l.opt.stopAt.Load()
		if !stopped {
			if err := l.hopeless(now); err != nil {
				return err
			}
			l.publishDue(now)
		} else if l.flying == 0 || now >= l.opt.stopAt.Load()+int64(l.opt.Grace) {
			return l.leave()
		}
		events, err := l.poller.Wait(l.pause(stopped))
		if err != nil {
			return err
		}
		for _, ev := range events {
			if err := l.attend(l.lanes[ev.Fd], ev.Events); err != nil {
				return err
			}
		}
	}
}

// pause is how long there is nothing to publish; never long, so that a stop is
// noticed.
func (l *loop) pause(stopped bool) time.Duration {
	const longest = 10 * time.Millisecond
	switch {
	case stopped || len(l.ready) == 0:
		return longest
	case l.opt.Rate == 0:
		return 0
	}
	return min(longest, time.Duration(l.due()-l.opt.Clock.Now()))
}

// due is when the next event is to be published. In a closed loop that is
// always.
func (l *loop) due() int64 {
	if l.opt.Rate == 0 {
		return 0
	}
	return l.opt.Begin + int64(float64(l.turn*l.stride+l.phase)*1e9/l.opt.Rate)
}

// publishDue hands each event that is due to the lane that has waited longest.
// Without a free lane events wait, and their latency counts from when they
// were due.
func (l *loop) publishDue(now int64) {
	wasStarved := l.starved
	l.starved = false
	// Each lane gets one turn per pass: answers must be looked at as well.
	for turns := len(l.ready); ; turns-- {
		due := l.due()
		if due > now {
			return
		}
		if len(l.ready) == 0 {
			l.starved = true
		}
		if turns <= 0 || l.starved {
			return
		}
		ln := l.ready[0]
		l.ready = l.ready[1:]
		ln.queued = false
		if ln.fd < 0 && !l.connect(ln) {
			continue
		}
		if l.opt.Rate == 0 {
			due = now
			// Fill the pipeline, so that one write carries it all.
			for len(ln.flights) < l.opt.Depth && !ln.last {
				l.add(ln, now)
			}
		} else {
			l.add(ln, due)
			if !wasStarved && l.opt.Window.Holds(due, now) {
				_ = l.late.RecordValue(max(now-due, 0))
			}
			l.turn++
		}
		l.flush(ln)
		l.offer(ln)
	}
}

func (l *loop) add(ln *lane, intended int64) {
	l.opt.Book.Start(1)
	l.scratch = ln.add(l.opt.Run, intended, l.scratch)
	l.flying++
	if l.opt.PerEvent {
		ln.last = true
	}
	if l.opt.Unload > 0 && l.rng.Float64() < l.opt.Unload {
		ln.last, ln.unload = true, true
	}
}

// offer queues a lane that has room for another event.
func (l *loop) offer(ln *lane) {
	if !ln.queued && !ln.last && len(ln.flights) < l.opt.Depth {
		ln.queued = true
		l.ready = append(l.ready, ln)
	}
}

func (l *loop) connect(ln *lane) bool {
	source := l.opt.Sources[l.sources%len(l.opt.Sources)]
	l.sources++
	fd, err := sock.Start(ln.target, source)
	if err == nil {
		if err = l.poller.Add(fd, ln.index, true); err != nil {
			sock.Close(fd)
		}
	}
	if err != nil {
		l.lose(ln, err)
		return false
	}
	ln.fd = fd
	if ln.producer == 0 {
		ln.producer = l.next.Add(1)
		ln.sequence = 0
	}
	return true
}

func (l *loop) flush(ln *lane) {
	if len(ln.out) == 0 {
		return
	}
	if errno := ln.write(); errno != 0 {
		l.lose(ln, errno)
		return
	}
	if ln.unload && len(ln.out) == 0 {
		l.forget(ln.close(true))
		l.offer(ln)
	}
}

// forget writes events off whose answer will never come.
func (l *loop) forget(n int) {
	l.flying -= n
	l.opt.Book.Lose(uint64(n))
}

// lose gives a failed connection up; its lane rests a little.
func (l *loop) lose(ln *lane, err error) {
	now := l.opt.Clock.Now()
	l.forget(ln.close(false))
	if l.failures == 0 {
		l.failedAt = now
	}
	l.failures++
	l.lastErr = err
	if !ln.queued {
		ln.queued = true // by the cooling list, which offers it again
		l.cooling = append(l.cooling, ln)
		l.retryAt = now + int64(50*time.Millisecond)
	}
}

// hopeless ends the run when connections have done nothing but fail for long.
func (l *loop) hopeless(now int64) error {
	if l.failures > len(l.lanes) && now-l.failedAt > int64(time.Second) {
		return fmt.Errorf("players: %d connections to %v failed in a row, last: %w", l.failures, l.opt.Targets, l.lastErr)
	}
	return nil
}

// leave writes off what was not answered in time.
func (l *loop) leave() error {
	if n := l.flying; n > 0 {
		l.closeAll()
		return fmt.Errorf("players: %d events were not answered within %v", n, l.opt.Grace)
	}
	return nil
}

func (l *loop) closeAll() {
	for _, ln := range l.lanes {
		l.forget(ln.close(false))
	}
}

func (l *loop) merge(into *Result) {
	into.Latency.Merge(l.latency)
	into.Late.Merge(l.late)
	for status, n := range l.statuses {
		if n > 0 {
			into.Statuses[status] += n
		}
	}
	if into.Refusal == "" {
		into.Refusal = l.refusal
	}
	if l.lastErr != nil {
		into.ConnectionError = l.lastErr.Error()
	}
}
