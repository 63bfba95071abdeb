package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/transport/bare"
)

// portableSockets are for systems without epoll: a goroutine reads each connection,
// to see its end, and another one writes to it while there is something to write.
// What a consumer is sent is copied into its slot, of which it has one.
type portableSockets struct {
	stall   time.Duration
	stats   *counters
	most    int64 // bytes on their way, and kept for laggards, until slots are small
	running sync.WaitGroup
	woken   chan struct{} // of capacity 1
	rouse   func()        // ends the wait of a loop that does not wait for woken; nil: it does

	mu   sync.Mutex
	news []portableNews // not told yet
	told []portableNews // what wait has told last, for its memory
}

type portableNews struct {
	c    *consumer
	gone bool
	why  Reason
}

const (
	slotBytes = 64 << 10
	partBytes = 8 << 10 // of a slot, written at once and within the stall limit
	// readPause is for how long a consumer that sends something is not read: that must cost
	// nothing, however little a read brings.
	readPause = 100 * time.Millisecond
	// lingerTime is how long a consumer that was sent away may take to hang up.
	lingerTime = time.Second
)

func newPortableSockets(o *Options, s *counters) *portableSockets {
	return &portableSockets{stall: o.Stall, stats: s, most: o.keepMost() / 2, woken: make(chan struct{}, 1)}
}

// A portableSocket is one connection.
type portableSocket struct {
	sockets *portableSockets
	c       *consumer
	conn    net.Conn
	tls     bool         // after a write that timed out no other is possible; closing writes, too
	left    atomic.Int64 // bytes of the slot that are still to be written

	mu       sync.Mutex // guards what follows
	slot     []byte     // belongs to the writing goroutine while there is one
	busy     bool       // a goroutine writes slot
	wanted   bool       // the loop waits for the slot to be free
	reading  bool       // a goroutine reads
	lingers  bool       // dropped; its reader closes the connection
	released bool       // dropped
}

func (s *portableSockets) take(c *consumer) error {
	tune(c.conn, s.stall)
	if c.link == nil {
		quiet(c.conn)
	}
	c.port = &portableSocket{sockets: s, c: c, conn: c.conn, tls: !bare.Is(c.conn)}
	c.conn = nil
	return nil
}

func (s *portableSockets) watch(c *consumer) error {
	if c.link == nil { // otherwise somebody else reads
		c.port.reading = true
		s.running.Add(1)
		go c.port.read()
	}
	s.tell(portableNews{c: c})
	return nil
}

func (s *portableSockets) tell(n portableNews) {
	s.mu.Lock()
	s.news = append(s.news, n)
	s.mu.Unlock()
	s.wake()
}

// read discards what a consumer sends, and reports when it closes.
func (k *portableSocket) read() {
	defer k.sockets.running.Done()
	buf := make([]byte, 256) // is kept while nothing comes: consumers have nothing to say
	var err error
	for n := 0; err == nil; n, err = k.conn.Read(buf) {
		if n > 0 && !k.isLingering() {
			time.Sleep(readPause)
		}
	}
	why := ReasonLeft
	if err != io.EOF {
		why = k.reason(err)
	}
	k.mu.Lock()
	k.reading = false
	lingers, released := k.lingers, k.released
	k.mu.Unlock()
	if lingers {
		k.conn.Close()
	}
	if !released {
		k.sockets.tell(portableNews{k.c, true, why})
	}
}

func (k *portableSocket) isLingering() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lingers
}

// reason tells a peer that is there, but takes nothing, from one that is gone.
func (k *portableSocket) reason(err error) Reason {
	why := reasonOf(err)
	if why == ReasonVanished && stalled(k.conn, k.sockets.stall) {
		return ReasonStalled
	}
	return why
}

func (s *portableSockets) send(c *consumer, p []byte) (int, Reason, bool) {
	k := c.port
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy {
		k.wanted = true
		return 0, 0, true
	}
	n := min(len(p), slotBytes)
	if s.stats.kept.Load() > s.most {
		n = min(n, ownBytes)
	}
	if n == 0 {
		return 0, 0, true
	}
	if n > ownBytes {
		s.stats.kept.Add(int64(n))
	}
	k.slot = append(k.slot[:0], p[:n]...)
	k.busy, k.wanted = true, n < len(p)
	k.left.Store(int64(n))
	s.running.Add(1)
	go k.write(k.slot)
	return n, 0, true
}

// write empties the slot, however long it takes as long as it makes progress.
func (k *portableSocket) write(p []byte) {
	defer k.sockets.running.Done()
	if n := int64(len(p)); n > ownBytes {
		defer k.sockets.stats.kept.Add(-n)
	}
	for len(p) > 0 {
		k.conn.SetWriteDeadline(time.Now().Add(k.sockets.stall))
		n, err := k.conn.Write(p[:min(len(p), partBytes)])
		p = p[n:]
		k.left.Store(int64(len(p)))
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err == nil || late && n > 0 {
			continue
		}
		why := ReasonStalled
		if !late {
			why = k.reason(err)
		}
		k.sockets.tell(portableNews{k.c, true, why})
		return
	}
	k.mu.Lock()
	wanted := k.wanted
	k.busy, k.wanted = false, false
	if cap(k.slot) > 4<<10 {
		k.slot = nil // an idle consumer costs no more than it must
	}
	k.mu.Unlock()
	if wanted {
		k.sockets.tell(portableNews{c: k.c})
	}
}

func (s *portableSockets) flushed(c *consumer) bool {
	k := c.port
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted = k.busy
	return !k.busy
}

func (s *portableSockets) backlog(c *consumer) int { return int(c.port.left.Load()) }

// silence: nothing tells a peer that has vanished from one that takes nothing.
func (s *portableSockets) silence(*consumer, time.Duration) Reason { return ReasonStalled }

func (s *portableSockets) drop(c *consumer, why Reason) {
	k := c.port
	k.mu.Lock()
	k.released = true
	k.lingers = why == ReasonDrained && k.reading
	lingers := k.lingers
	k.mu.Unlock()
	if !k.tls {
		k.end(why, lingers)
		return
	}
	// The loop must not wait for a peer that does not take the end.
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		k.conn.SetWriteDeadline(time.Now().Add(lingerTime))
		k.end(why, lingers)
	}()
}

// end closes the connection, or has its reader do so.
func (k *portableSocket) end(why Reason, lingers bool) {
	half, ok := k.conn.(interface{ CloseWrite() error })
	switch {
	case why == ReasonDrained && ok && (lingers || k.c.link != nil):
		// Closed with bytes unread, or still to come, the connection would be
		// reset and take the end of the stream with it.
		half.CloseWrite()
		if lingers {
			k.conn.SetReadDeadline(time.Now().Add(lingerTime))
		}
	case why == ReasonLeft && k.c.link != nil: // its reader closes it
	default:
		k.conn.Close()
	}
}

func (s *portableSockets) wait(timeout time.Duration, l *loop) {
	if timeout != 0 {
		var over <-chan time.Time
		if timeout > 0 {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-s.woken:
		case <-over:
		}
	}
	s.deliver(l)
}

// deliver tells the loop all news.
func (s *portableSockets) deliver(l *loop) {
	s.mu.Lock()
	s.news, s.told = s.told[:0], s.news
	s.mu.Unlock()
	for _, n := range s.told {
		if n.c.slot >= 0 { // not closed earlier
			l.onSocket(n.c, n.gone, n.why)
		}
	}
	clear(s.told)
}

func (s *portableSockets) wake() {
	if s.rouse != nil {
		s.rouse()
		return
	}
	select {
	case s.woken <- struct{}{}:
	default: // a wake-up is already waiting
	}
}

func (s *portableSockets) pause(d time.Duration) { time.Sleep(d) }

func (s *portableSockets) close() { s.running.Wait() }
