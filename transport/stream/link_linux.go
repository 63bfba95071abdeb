package stream

import "golang.org/x/sys/unix"

// answer implements engine.
func (l *loop) answer(c *consumer) {
	l.post(func() {
		switch {
		case c.fd < 0: // closed meanwhile
		case c.lag != nil:
			l.makeReady(c) // catchUp takes it when the rest is written
		default:
			if p := c.link.take(); p != nil {
				l.tell(c, p)
			}
		}
	})
}

// end implements engine.
func (l *loop) end(c *consumer) {
	l.post(func() {
		if c.fd < 0 {
			return
		}
		// Between frames. Not by tell: a laggard cannot leave the herd, and what
		// the socket does not take now is not tried again.
		if c.lag == nil || len(c.lag.rest) == 0 {
			if p := c.link.take(); p != nil {
				n, ok := l.write(c, p)
				if !ok {
					return
				}
				l.stats.bytes.Add(uint64(n))
			}
		}
		l.close(c, ReasonLeft)
	})
}

// unlink lets go of a socket that its reader keeps open. Closing our descriptor
// would tell neither epoll nor the peer nor the reader.
func (l *loop) unlink(c *consumer, why Reason) {
	l.poll.remove(int(c.fd))
	if why != ReasonLeft && why != ReasonDrained {
		unix.Shutdown(int(c.fd), unix.SHUT_RDWR) // the reader ends, too
	}
}
