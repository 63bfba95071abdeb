package consumer

import (
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/sock"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// loop is one thread that owns some of the streams.
type loop struct {
	all    *Consumers
	poller *sock.Poller
	gap    time.Duration // rest between looks, so that bytes gather
	ticks  bool          // some streams act by the clock

	mu      sync.Mutex
	streams []*stream // append only; a stream's index is its token

	latency *hdrhistogram.Histogram
	buf     []byte
	err     error

	// Written by the loop, read by everybody. One cache line each is not
	// worth it: they change once per read of a socket.
	tid       atomic.Int32
	opened    atomic.Int64
	endedN    atomic.Int64
	events    atomic.Uint64 // parsed
	framed    atomic.Uint64 // bytes of their frames
	discarded atomic.Uint64
	accounted atomic.Uint64 // parsed plus skipped
	lastNews  atomic.Int64
}

// silence after which a counting stream looks at what comes next: it may be a
// keep-alive.
const silence = int64(time.Second)

// tick is how often streams that act by the clock are looked at.
const tick = 10 * time.Millisecond

func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.tid.Store(int32(unix.Gettid()))
	sock.Exact()
	if l.latency != nil {
		sock.Urgent()
	}
	for !l.all.stopped.Load() {
		events, err := l.poller.Wait(tick)
		if err != nil {
			l.err = err
			return
		}
		l.mu.Lock()
		streams := l.streams
		l.mu.Unlock()
		for _, ev := range events {
			l.attend(streams[ev.Fd], l.all.opt.Clock.Now(), ev.Events&unix.EPOLLRDHUP != 0)
		}
		if l.ticks {
			l.act(streams)
		}
		if l.gap > 0 && len(events) > 0 {
			ts := unix.NsecToTimespec(l.gap.Nanoseconds())
			_ = unix.Nanosleep(&ts, nil) // cut short by a signal: look earlier
		}
	}
}

// attend reads what a stream has to say, as its role allows.
func (l *loop) attend(s *stream, now int64, hangup bool) {
	switch {
	case s.state == ended:
		return
	case s.paused || s.role == Slow && s.state != opening && !l.all.released.Load():
		s.pending = true
		return
	}
	if s.state == counting && s.role != Opaque && now-s.last > silence && s.between(l.all.opt.Uniform) {
		s.state = reading
	}
	for s.state != ended {
		var n int
		var errno unix.Errno
		if s.state == counting {
			n, errno = sock.Discard(s.fd, math.MaxInt32)
			s.discarded += uint64(n)
			l.discarded.Add(uint64(n))
		} else {
			n, errno = l.receive(s, now, len(l.buf))
		}
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 || n == 0 {
			l.end(s, errno)
			break
		}
		s.last = now
		l.lastNews.Store(now)
		if s.state == counting && !hangup {
			break // emptied; an edge tells of what comes later
		}
	}
}

// receive reads and parses up to limit bytes.
func (l *loop) receive(s *stream, now int64, limit int) (n int, errno unix.Errno) {
	rest := len(s.rest)
	if need := rest + limit; need > len(l.buf) {
		l.buf = append(l.buf, make([]byte, need-len(l.buf))...)
	}
	copy(l.buf, s.rest)
	n, errno = sock.Recv(s.fd, l.buf[rest:rest+limit])
	if errno != 0 || n == 0 {
		return n, errno
	}
	size := n
	if s.outer != nil {
		var err error
		if size, err = s.outer.strip(l.buf[rest : rest+n]); err != nil {
			l.giveUp(s, err)
			return n, 0
		}
	}
	r := reception{stream: s, run: l.all.opt.Run, envelope: &l.all.opt.Envelope, now: now, window: l.all.measured()}
	if s.role == Sampling {
		// Bytes may have waited for other streams of this round.
		r.now, r.latency = l.all.opt.Clock.Now(), l.latency
	}
	before, skipped, framed := s.events, s.entry.Skipped, s.framed
	wasOpening := s.state == opening
	if err := r.read(l.buf[:rest+size]); err != nil {
		l.giveUp(s, err)
		return n, 0
	}
	l.events.Add(s.events - before)
	l.framed.Add(s.framed - framed)
	l.accounted.Add(s.events - before + s.entry.Skipped - skipped)
	if wasOpening && s.state != opening {
		s.entry.Opened = l.all.opt.Book.Totals()
		l.opened.Add(1)
	}
	if s.role == Counting && s.events > before && s.outer == nil {
		l.discarded.Add(uint64(len(s.rest)))
		s.count()
	}
	return n, 0
}

// act does what is due for streams that follow the clock.
func (l *loop) act(streams []*stream) {
	now := l.all.opt.Clock.Now()
	released := l.all.released.Load()
	for _, s := range streams {
		if s.state == ended || s.state == opening {
			continue
		}
		switch s.role {
		case Stalling:
			s.paused = l.all.stalls(now)
		case Slow:
			l.sip(s, now, released)
		case Returning:
			if !released && l.all.leaves(s, now) {
				l.back(s)
			}
			continue
		}
		if s.pending && !s.paused && (s.role != Slow || released) {
			s.pending = false
			l.attend(s, now, true)
		}
	}
}

// sip lets a slow stream read what its rate allows.
func (l *loop) sip(s *stream, now int64, released bool) {
	if released {
		s.pending = true
		return
	}
	s.credit = min(s.credit+float64(l.all.opt.SlowRate)*tick.Seconds(), float64(len(l.buf)))
	if !s.pending || s.credit < 1 {
		return
	}
	n, errno := l.receive(s, now, int(s.credit))
	switch {
	case errno == unix.EAGAIN:
		s.pending = false
	case errno != 0 || n == 0:
		l.end(s, errno)
	default:
		s.credit -= float64(n)
		s.last = now
		l.lastNews.Store(now)
	}
}

// back closes a stream and opens its successor.
func (l *loop) back(s *stream) {
	s.entry.LeftEarly, s.entry.Left = true, l.all.opt.Book.Totals()
	s.state = ended
	sock.Close(s.fd)
	if err := l.all.join(l, s.role); err != nil {
		l.all.returnErr.CompareAndSwap(nil, &err)
	} else {
		l.all.returns.Add(1)
	}
}

// end records that the server is done with a stream. What it owes from then on
// cannot be known.
func (l *loop) end(s *stream, errno unix.Errno) {
	s.endErr = io.EOF
	if errno != 0 {
		s.endErr = errno
	}
	s.entry.LeftEarly, s.entry.Left = true, l.all.opt.Book.Totals()
	s.state = ended
	sock.Close(s.fd)
	l.endedN.Add(1)
}

// giveUp closes a stream that says what cannot be understood.
func (l *loop) giveUp(s *stream, err error) {
	opened := s.state != opening
	l.end(s, 0)
	s.endErr = err
	if opened {
		s.faults.Framing++
	} else {
		l.all.refusal.CompareAndSwap(nil, &err)
	}
}

// add takes a connected socket over.
func (l *loop) add(s *stream) error {
	l.mu.Lock()
	s.index = int32(len(l.streams))
	l.streams = append(l.streams, s)
	l.mu.Unlock()
	return l.poller.Add(s.fd, s.index, false)
}
