package stream

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

func TestSocketOfAConsumerIsSetUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1, Stall: 7 * time.Second})
	c := r.join(joinOptions{})
	c.awaitOpening(t)
	r.inLoop(func(l *loop) {
		fd := int(l.slots[0].fd)
		for _, tt := range []struct {
			name                string
			level, option, want int
		}{
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 8000},
			{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat},
			{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, 2 * unreadBytes},
			{"SO_ERROR", unix.SOL_SOCKET, unix.SO_ERROR, 0},
		} {
			if got, err := unix.GetsockoptInt(fd, tt.level, tt.option); got != tt.want || err != nil {
				t.Errorf("getsockopt(%s) = %d, %v; want %d", tt.name, got, err, tt.want)
			}
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 || err != nil {
			t.Errorf("fcntl(F_GETFL) = %#x, %v; want O_NONBLOCK", flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
			t.Errorf("fcntl(F_GETFD) = %#x, %v; want FD_CLOEXEC", flags, err)
		}
	})
}

// A connection that is not a socket is refused and forgotten.
func TestConnectionWithoutDescriptorIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1})
	near, far := net.Pipe()
	ticket, err := r.pool.Admit(view.View{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	ticket.Serve(far, nil)
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("Read() = nil; want the connection closed")
	}
	if st := r.pool.Stats(); st.Consumers != 0 || st.Closed[ReasonError] != 1 {
		t.Errorf("Stats() = %d consumers, closed %v; want 0, 1 in error", st.Consumers, st.Closed)
	}
}

// A stalled consumer's backlog stays in the ring: the kernel holds little of it.
func TestKernelHoldsLittleForAStalledConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	r.join(joinOptions{buffer: 8 << 10, stalled: true})
	for range 1000 {
		r.publish(0, 4000)
	}
	eventually(t, func() string {
		if st := r.pool.Stats(); st.Lagging != 1 {
			return fmt.Sprintf("Stats().Lagging = %d; want 1", st.Lagging)
		}
		return ""
	})
	r.inLoop(func(l *loop) {
		// What the peer has window for, and the low-water mark; the rest of a
		// kernel page or segment comes on top.
		if held := unacknowledged(int(l.slots[0].fd)); held > 512<<10 {
			t.Errorf("the kernel holds %d bytes of %d published; want a small part", held, 1000*4000)
		}
	})
}

// The times are made up: a laggard that takes no byte is cut, unless its peer
// acknowledges some, or it waits for the log.
func TestOnlyWhoMakesNoProgressIsCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
	c := r.join(joinOptions{buffer: 8 << 10, stalled: true})
	for range 1000 {
		r.publish(0, 4000)
	}
	eventually(t, func() string {
		if in, ok := r.inspect(c); !ok || in.Herd {
			return "the consumer does not lag"
		}
		return ""
	})
	start := time.Now()
	// A write that the kernel takes meanwhile is progress in real time, so each step
	// says itself when the last progress was.
	alive := func(progress, now time.Time, acknowledged int) (is bool, last time.Time) {
		r.inLoop(func(l *loop) {
			if c := l.slots[0]; c != nil {
				c.lag.progress, c.lag.queued = progress, false
				c.lag.backlog = unacknowledged(int(c.fd)) + acknowledged
			}
			l.cutStalled(now)
			if is = len(l.slots) > len(l.free); is {
				last = l.slots[0].lag.progress
			}
		})
		return is, last
	}
	if is, _ := alive(start, start.Add(59*time.Minute), 0); !is {
		t.Fatal("cut before the stall limit")
	}
	begunAnew := start.Add(61 * time.Minute)
	if is, last := alive(start, begunAnew, 1); !is || !last.Equal(begunAnew) {
		t.Fatalf("alive %v, last progress at %v; want what its peer acknowledges to be progress", is, last)
	}
	if is, _ := alive(begunAnew, start.Add(120*time.Minute), 0); !is {
		t.Fatal("cut before the stall limit, which began anew")
	}
	now := start.Add(120 * time.Minute)
	eventually(t, func() string { // it may acknowledge a last byte meanwhile
		now = now.Add(61 * time.Minute)
		if is, _ := alive(begunAnew, now, 0); is {
			return "not cut at the stall limit"
		}
		return ""
	})
	r.wantClosed(ReasonStalled, 1)
}

// The window of a consumer that stopped reading is shut, but the few events that
// come still fit into the socket: it takes everything, and the kernel gives up.
func TestConsumerThatStopsReadingIsStalledAlsoWhenFewEventsCome(t *testing.T) {
	t.Parallel()
	// Long, because the loop must look soon, compared with it, after the kernel gave up.
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1, Stall: 5 * time.Second})
	c := r.join(joinOptions{buffer: 32 << 10, stalled: true})
	r.awaitHerd(1)
	// Its window is shut when bytes are unacknowledged at one look, and still at
	// one that comes later than any acknowledgement is delayed.
	first := time.Time{}
	for shut := false; !shut; time.Sleep(time.Millisecond) {
		held := 0
		r.inLoop(func(l *loop) {
			if c := l.slots[0]; c == nil {
				shut = true // and the kernel has given up
			} else if held = unacknowledged(int(c.fd)); c.lag != nil {
				t.Error("the consumer lags; the test is to stop before that")
				shut = true
			}
		})
		switch {
		case held == 0 && !shut:
			first = time.Time{}
			r.publish(0, 600)
		case first.IsZero():
			first = time.Now()
		case time.Since(first) > 300*time.Millisecond:
			shut = true
		}
	}
	r.wantClosed(ReasonStalled, 1)
	c.resume()
	<-c.done
}

// Places are reused: what a socket says is never taken for its successor's.
func TestPlaceOfAClosedConsumerIsReused(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	for round := range 20 {
		var all []*client
		for range 10 {
			all = append(all, r.join(joinOptions{}))
		}
		r.publish(0, 10)
		r.settle(all...)
		thaw := freeze(r.pool.loops[0])
		for _, c := range all { // all ends and all events come in one round
			c.conn.Close()
		}
		r.publish(0, 10)
		next := r.join(joinOptions{})
		thaw()
		r.publish(0, 10)
		r.settle(next)
		eventually(t, func() string {
			if n := r.pool.Stats().Consumers; n != 1 {
				return fmt.Sprintf("round %d: Stats().Consumers = %d; want 1", round, n)
			}
			return ""
		})
		next.conn.Close()
		eventually(t, func() string {
			if n := r.pool.Stats().Consumers; n != 0 {
				return fmt.Sprintf("round %d: Stats().Consumers = %d; want 0", round, n)
			}
			return ""
		})
	}
	r.inLoop(func(l *loop) {
		if len(l.slots) > 11 || len(l.free) != len(l.slots) {
			t.Errorf("%d places, %d of them free; want 11 at most, all free", len(l.slots), len(l.free))
		}
		if n := l.stats.lagging.Load(); n != 0 {
			t.Errorf("%d laggards; want 0", n)
		}
	})
}

// However many laggards come back at once, the herds wait for a few of them only,
// and each has its turn before any has a second one.
func TestLaggardsTakeTurnsBetweenSweeps(t *testing.T) {
	t.Parallel()
	const laggards = 5
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	var all []*client
	for range laggards {
		all = append(all, r.join(joinOptions{buffer: 64 << 10, stalled: true}))
	}
	r.awaitHerd(laggards)
	for range 200 {
		r.publish(0, 4000)
	}
	eventually(t, func() string {
		if got := r.pool.Stats().Lagging; got != laggards {
			return fmt.Sprintf("Stats().Lagging = %d; want %d", got, laggards)
		}
		return ""
	})
	r.inLoop(func(l *loop) {
		l.ready = l.ready[:0]
		for _, c := range l.slots {
			c.lag.queued = false
			l.makeReady(c)
		}
		order := slices.Clone(l.ready)
		for i, c := range order {
			left := laggards - 1 - i
			if !c.lag.queued || l.ready[0] != c {
				t.Errorf("turn %d is not that of the one who has waited longest", i)
				return
			}
			if more := l.serveReady(time.Now(), -1); more != (left > 0) {
				t.Errorf("serveReady() = %v with %d laggards left; want %v", more, left, !more)
			}
			if c.lag.queued {
				t.Errorf("laggard %d, whose socket is full, is still ready", i)
			}
		}
		if len(l.ready) != 0 {
			t.Errorf("%d are ready; want none", len(l.ready))
		}
	})
	for _, c := range all {
		c.resume()
	}
	r.settle(all...)
	r.wantBooksBalanced(all...)
}

// A member whose socket takes a part of a notice leaves the herd before the events
// that came with it, and misses none of them.
func TestNoticeThatIsCutGoesOnBeforeItsEvents(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 1<<20) // more than a socket takes
	long := func(_ wire.Format, dst []byte, n uint64) []byte {
		return wire.AppendChunk(dst, fmt.Appendf(nil, ": skipped %s%d\n", zeros, n))
	}
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1, appendSkipped: long})
	c := r.join(joinOptions{buffer: 8 << 10})
	for range 3 {
		r.awaitHerd(1)
		r.inLoop(func(*loop) { // so that one sweep finds all of it
			r.skip(0, 5)
			for range 4 {
				r.publish(0, 10)
			}
		})
		r.settle(c)
	}
	if got := c.books(); got.received != 12 || got.skipped != 15 {
		t.Errorf("received %d, skipped %d; want 12, 15", got.received, got.skipped)
	}
	r.wantBooksBalanced(c)
}
