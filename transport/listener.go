package transport

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// A listener survives what ends others: when the process is out of descriptors
// or memory, Accept waits and tries again (fasthttp's Serve would return for
// good). It also keeps connections under their cap, refusing the others with 503
// before a byte of them is read.
type listener struct {
	net.Listener
	open     func() int64 // connections now
	max      int64
	refusal  []byte // what a connection over the cap is answered
	backoffs *atomic.Uint64
	refused  interface{ Add(uint64) uint64 }
	log      *zap.Logger
	closed   chan struct{}
	once     atomic.Bool
}

const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// Accept returns an error only when the listener is closed or broken.
func (l *listener) Accept() (net.Conn, error) {
	backoff := minBackoff
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil && l.open() < l.max:
			return conn, nil
		case err == nil:
			l.refused.Add(1)
			// The socket buffer of a new connection is empty, so this does not wait.
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			conn.Write(l.refusal)
			conn.Close()
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

// Close also ends a back-off.
func (l *listener) Close() error {
	if l.once.CompareAndSwap(false, true) {
		close(l.closed)
	}
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
