package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/epoll"
)

// epollSockets holds a descriptor per consumer.
type epollSockets struct {
	set   *epoll.Set
	stall time.Duration
	most  int // see Options.Descriptors
}

func newSockets(o *Options, s *counters) (sockets, error) {
	if o.Portable {
		return newPortableSockets(o, s), nil
	}
	reserveDescriptors(2*o.MaxConsumers + 1024) // while joining, a consumer has two
	set, err := epoll.New()
	if err != nil {
		return nil, err
	}
	return mixed(o, s, set), nil
}

// take takes the consumer's descriptor out of its net.Conn: the copy stays
// non-blocking, and the runtime's poller, buffers and finalizers are gone.
func (s *epollSockets) take(c *consumer) error {
	fd, err := duplicate(c.conn)
	if err == nil && s.most > 0 && fd >= s.most {
		unix.Close(fd)
		err = unix.EMFILE
	}
	if c.link == nil || err != nil { // a reader ends with it
		c.conn.Close()
	}
	c.conn = nil
	if err != nil {
		return err
	}
	setSocketOptions(fd, s.stall)
	if c.link == nil {
		ignore(fd)
	}
	c.fd = int32(fd)
	return nil
}

// watch: edge-triggered. One event now if the socket is writable, one whenever it becomes
// writable after a write that was cut short, one when the peer has closed.
func (s *epollSockets) watch(c *consumer) error {
	return s.set.Add(int(c.fd), int(c.slot), unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

func (s *epollSockets) send(c *consumer, p []byte) (int, Reason, bool) {
	n, errno := send(int(c.fd), p)
	switch errno {
	case 0:
		return n, 0, true
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM:
		return 0, 0, true
	}
	return 0, s.reason(c, reasonOf(errno)), false
}

// reason tells a peer that is there, but takes nothing, from one that is gone.
func (s *epollSockets) reason(c *consumer, why Reason) Reason {
	if why == ReasonVanished && answered(int(c.fd), userTimeout(s.stall)) {
		return ReasonStalled
	}
	return why
}

// flushed: what the kernel has taken, it sends.
func (s *epollSockets) flushed(*consumer) bool { return true }

func (s *epollSockets) backlog(c *consumer) int { return unacknowledged(int(c.fd)) }

// silence: a peer whose window is shut answers the kernel's probes of it.
func (s *epollSockets) silence(c *consumer, quiet time.Duration) Reason {
	if answered(int(c.fd), quiet) {
		return ReasonStalled
	}
	return ReasonVanished
}

func (s *epollSockets) drop(c *consumer, why Reason) {
	if c.link != nil {
		// Its reader keeps the socket open: closing our descriptor would tell
		// neither epoll nor the peer nor the reader.
		s.set.Remove(int(c.fd))
		if why != ReasonLeft && why != ReasonDrained {
			unix.Shutdown(int(c.fd), unix.SHUT_RDWR) // the reader ends, too
		}
	}
	hangUp(int(c.fd), why == ReasonDrained)
	c.fd = -1
}

func (s *epollSockets) wait(timeout time.Duration, l *loop) {
	s.set.Wait(timeout, func(slot int, events uint32) {
		c := l.slots[slot]
		switch {
		case c == nil: // closed earlier in the same round
		case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
			l.onSocket(c, true, s.reason(c, socketError(int(c.fd))))
		case events&unix.EPOLLRDHUP != 0:
			l.onSocket(c, true, ReasonLeft)
		default:
			l.onSocket(c, false, 0)
		}
	})
}

func (s *epollSockets) wake() { s.set.Wake() }

func (s *epollSockets) close() { s.set.Close() }

func (s *epollSockets) pause(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	unix.Nanosleep(&ts, nil) // an early return costs nothing but a sweep
}
