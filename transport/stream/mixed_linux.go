package stream

import (
	"time"

	"event-dispatcher/transport/bare"
	"event-dispatcher/transport/epoll"
)

// mixedSockets write to descriptors where they can, and have goroutines write where
// what the peer is sent is made on the way: over TLS.
type mixedSockets struct {
	*epollSockets
	tls *portableSockets
}

func mixed(o *Options, stats *counters, set *epoll.Set) *mixedSockets {
	s := &mixedSockets{&epollSockets{set, o.Stall, o.Descriptors}, newPortableSockets(o, stats)}
	s.tls.rouse = set.Wake
	return s
}

// of are the sockets that have the consumer.
func (s *mixedSockets) of(c *consumer) sockets {
	if c.port != nil {
		return s.tls
	}
	return s.epollSockets
}

func (s *mixedSockets) take(c *consumer) error {
	if !bare.Is(c.conn) {
		return s.tls.take(c)
	}
	return s.epollSockets.take(c)
}

func (s *mixedSockets) watch(c *consumer) error { return s.of(c).watch(c) }

// send looks before it asks: it is called for every consumer of a herd.
func (s *mixedSockets) send(c *consumer, p []byte) (int, Reason, bool) {
	if c.port != nil {
		return s.tls.send(c, p)
	}
	return s.epollSockets.send(c, p)
}

func (s *mixedSockets) flushed(c *consumer) bool { return s.of(c).flushed(c) }

func (s *mixedSockets) backlog(c *consumer) int { return s.of(c).backlog(c) }

func (s *mixedSockets) silence(c *consumer, quiet time.Duration) Reason {
	return s.of(c).silence(c, quiet)
}

func (s *mixedSockets) drop(c *consumer, why Reason) { s.of(c).drop(c, why) }

func (s *mixedSockets) wait(timeout time.Duration, l *loop) {
	s.epollSockets.wait(timeout, l)
	s.tls.deliver(l)
}

func (s *mixedSockets) close() {
	s.tls.close()
	s.epollSockets.close()
}
