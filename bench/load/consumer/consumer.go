// Package consumer listens to streams by the thousand.
//
// Most consumers only count: their bytes are dropped inside the kernel
// (MSG_TRUNC), so the generator spends its share of the machine on players and
// not on copying. While every event has one size, bytes are events. A few
// consumers, spread over the order of joining, read everything: they check
// framing, order, duplicates and content, and measure latency. So do consumers
// that misbehave, which must see the notices of what they missed.
//
// A counting stream reads its first event in full, which teaches it the length
// of a frame, and looks again after a silence, because a comment may follow.
package consumer

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/clock"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/ledger"
	"event-dispatcher/bench/load/sock"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Wires of consumers.
const (
	SSE       = "sse"
	WebSocket = "ws"
	NATS      = "nats" // its protocol, over WebSocket
)

// Options says who listens and how.
type Options struct {
	Targets []sock.Addr // consumers are dealt out among them
	Path    string
	Wire    string // SSE, WebSocket or NATS
	Foreign bool   // the server writes ids unasked
	// Envelope is what is around each event; what is in none is the server's own.
	Envelope event.Envelope
	Sources  [][4]byte // addresses to connect from, in turn
	Roles    []Role    // one per consumer, in the order of joining
	Threads  int       // loops for counting streams
	Gap      time.Duration
	Uniform  bool // every event has one size

	SlowRate     int           // bytes per second
	StallFor     time.Duration // 0: until Release
	StallForever bool          // not even Release ends it
	StallAtOnce  bool          // from the first event, not only when measuring begins
	ReturnEvery  time.Duration

	Run   uint32
	Clock clock.Clock
	Book  *ledger.Book
}

// Consumers is a running set of consumers.
type Consumers struct {
	opt    *Options
	loops  []*loop      // counting ones first, then sampling, then special
	accept string       // headers that say what is wanted
	joined atomic.Int64 // dials, including those of returning streams
	wg     sync.WaitGroup

	plan      atomic.Pointer[plan]
	released  atomic.Bool
	stopped   atomic.Bool
	returns   atomic.Int64
	returnErr atomic.Pointer[error]
	refusal   atomic.Pointer[error]
}

// plan is what becomes known when players begin.
type plan struct {
	window    clock.Window
	stallFrom int64
}

// New starts the loops; nobody listens yet. It keeps opt.
func New(opt *Options) (*Consumers, error) {
	c := &Consumers{opt: opt}
	c.accept = "Accept: text/event-stream\r\n"
	if opt.Wire != SSE {
		c.accept = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	for i := range max(opt.Threads, 1) + 2 {
		poller, err := sock.NewPoller()
		if err != nil {
			return nil, err
		}
		l := &loop{all: c, poller: poller, buf: make([]byte, 256<<10)}
		switch i - max(opt.Threads, 1) {
		case 0:
			l.latency = hdrhistogram.New(1000, 100e9, 3)
		case 1:
			l.ticks = true
		default:
			l.gap = opt.Gap
		}
		c.loops = append(c.loops, l)
	}
	for _, l := range c.loops {
		c.wg.Go(l.run)
	}
	return c, nil
}

// Join opens all streams and waits until each has its head. It gives up when
// nothing moves for patience.
func (c *Consumers) Join(patience time.Duration, stop <-chan struct{}) error {
	const window = 512 // streams under way; the server's accept queue is finite
	moved, opened := time.Now(), int64(0)
	next, counters := 0, len(c.loops)-2
	for {
		s := c.Stats()
		if err := c.refusal.Load(); err != nil {
			return fmt.Errorf("consumers: %v is not a dispatcher: %w", c.opt.Targets, *err)
		}
		if s.Ended > 0 {
			return fmt.Errorf("consumers: %d of the first %d streams were ended while the others joined", s.Ended, next)
		}
		if s.Opened == int64(len(c.opt.Roles)) {
			return nil
		}
		if s.Opened > opened {
			moved, opened = time.Now(), s.Opened
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("consumers: %v opened %d of %d streams and then none for %v", c.opt.Targets, opened, len(c.opt.Roles), patience)
		}
		select {
		case <-stop:
			return errors.New("consumers: stopped while joining")
		default:
		}
		if next == len(c.opt.Roles) || int64(next)-s.Opened >= window {
			time.Sleep(time.Millisecond)
			continue
		}
		l := c.loops[next%counters]
		switch c.opt.Roles[next] {
		case Counting, Opaque:
		case Sampling:
			l = c.loops[counters]
		default:
			l = c.loops[counters+1]
		}
		if err := c.join(l, c.opt.Roles[next]); err != nil {
			return fmt.Errorf("consumers: stream %d of %d: %w", next+1, len(c.opt.Roles), err)
		}
		next++
	}
}

// join opens one stream on l.
func (c *Consumers) join(l *loop, role Role) error {
	n := int(c.joined.Add(1)) - 1
	s := &stream{role: role, parser: parser{foreign: c.opt.Foreign}, wire: c.opt.Wire, last: c.opt.Clock.Now()}
	s.entry.Dialled = c.opt.Book.Totals()
	target := c.opt.Targets[n%len(c.opt.Targets)]
	fd, err := sock.Dial(target, c.opt.Sources[n%len(c.opt.Sources)], 5*time.Second)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", target, err)
	}
	s.fd = fd
	// A new socket has room for a request of a hundred bytes.
	request := "GET " + c.opt.Path + " HTTP/1.1\r\nHost: " + target.String() + "\r\n" + c.accept + "\r\n"
	if _, errno := sock.Send(fd, []byte(request)); errno != 0 {
		sock.Close(fd)
		return fmt.Errorf("ask for the stream: %w", errno)
	}
	return l.add(s)
}

// Begin tells when measuring happens and when stalling begins.
func (c *Consumers) Begin(window clock.Window) {
	p := &plan{window: window, stallFrom: window.From}
	if c.opt.StallAtOnce {
		p.stallFrom = 0
	}
	c.plan.Store(p)
}

func (c *Consumers) measured() clock.Window {
	if p := c.plan.Load(); p != nil {
		return p.window
	}
	return clock.Window{}
}

// stalls reports whether stalling streams stand still now.
func (c *Consumers) stalls(now int64) bool {
	p := c.plan.Load()
	if p == nil || now < p.stallFrom {
		return false
	}
	if c.opt.StallForever {
		return true
	}
	return !c.released.Load() && (c.opt.StallFor == 0 || now < p.stallFrom+int64(c.opt.StallFor))
}

// leaves reports whether a returning stream's time is up: somewhere between
// half a period and one and a half, so that streams take turns.
func (c *Consumers) leaves(s *stream, now int64) bool {
	if p := c.plan.Load(); p == nil || now < p.window.From {
		return false
	}
	if s.leaveAt == 0 {
		s.leaveAt = now + int64(c.opt.ReturnEvery)*(50+int64(s.index)*37%100)/100
	}
	return now >= s.leaveAt
}

// Release ends all misbehaviour, so that accounts can be closed.
func (c *Consumers) Release() { c.released.Store(true) }

// Threads returns the kernel's numbers of the loops' threads.
func (c *Consumers) Threads() []int {
	var tids []int
	for _, l := range c.loops {
		tids = append(tids, int(l.tid.Load()))
	}
	return tids
}
