package front

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/transport/client"
	"event-dispatcher/transport/refusal"
)

// A listener survives what ends others: when the process is out of descriptors
// or memory, Accept waits and tries again (fasthttp's Serve would return for
// good). It also keeps connections under their caps, refusing the others before a
// byte of them is read.
type listener struct {
	net.Listener
	open     *connections
	refusing *connections
	reserved *connections
	reserve  *reserve
	tls      *tls.Config         // nil: plain
	tidier   *tidier             // told of the end of TLS
	max      int                 // most open connections; 0 means no limit
	scarce   int                 // descriptors from this one on are not for everybody; 0 means that all are
	clients  *client.Connections // nil: no limit per client
	slack    time.Duration       // see conn
	full     turnedAway          // over max
	crowded  turnedAway          // over the client's limit
	plain    turnedAway          // without TLS, where it is spoken
	backoffs *atomic.Uint64
	log      *zap.Logger
	closed   chan struct{}
	once     atomic.Bool
}

// turnedAway is what a connection over a cap is answered, and where it is counted.
type turnedAway struct {
	answer refusal.Prepared
	count  interface{ Add(uint64) uint64 }
}

const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second

	// maxRefusing is how many refused connections may linger at once.
	maxRefusing = 128
)

// Accept returns an error only when the listener is closed or broken.
func (l *listener) Accept() (net.Conn, error) {
	backoff := minBackoff
	for {
		nc, err := l.Listener.Accept()
		if err == nil {
			limitUnsent(nc)
		}
		switch {
		case err == nil && (l.max > 0 && l.open.len() >= l.max || l.isScarce(nc)):
			if place, ok := l.reserve.enter(nc); ok {
				c := l.reserved.add(l.encrypt(nc), 0)
				c.reserve, c.place, c.reserveEnd = l.reserve, place, time.Now().Add(reserveTime)
				_ = nc.SetWriteDeadline(c.reserveEnd.Add(reserveTime)) // for the answer, and what TLS writes while it reads
				return c, nil
			}
			l.refuse(nc, &l.full)
		case err == nil:
			if c, ok := l.clients.Admit(nc); ok {
				return l.open.add(l.encrypt(c), l.slack), nil
			}
			l.refuse(nc, &l.crowded)
		case isTemporary(err):
			l.backoffs.Add(1)
			l.log.Warn("accept failed, will try again", zap.Error(err), zap.Duration("after", backoff))
			select {
			case <-l.closed:
				return nil, net.ErrClosed
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, maxBackoff)
		default:
			return nil, err
		}
	}
}

// encrypt speaks TLS on a connection, if the listener does.
func (l *listener) encrypt(nc net.Conn) net.Conn {
	if l.tls == nil {
		return nc
	}
	return encrypt(nc, l.tls, &l.plain, l.tidier)
}

// refuse answers a connection over a cap. Over TLS, saying no would cost more than
// serving.
func (l *listener) refuse(nc net.Conn, why *turnedAway) {
	why.count.Add(1)
	if l.tls != nil {
		nc.Close()
		return
	}
	// The socket buffer of a new connection is empty, so this does not wait.
	nc.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := nc.Write(why.answer.At(time.Now())); err != nil || l.refusing.len() >= maxRefusing || l.isScarce(nc) {
		nc.Close()
		return
	}
	c := l.refusing.add(nc, 0)
	c.linger.Store(true)
	go c.Close()
}

// Close also ends a back-off. Closing again does nothing.
func (l *listener) Close() error {
	if !l.once.CompareAndSwap(false, true) {
		return nil
	}
	close(l.closed)
	return l.Listener.Close()
}

// isTemporary reports whether accept4(2) may work again later.
func isTemporary(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
