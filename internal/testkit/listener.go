package testkit

import (
	"net"
	"os"
	"sync"
)

// A Listener fails with errors in turn, and then waits for its end.
type Listener struct {
	mu     sync.Mutex
	errs   []error
	closed chan struct{}
}

// FailingListener returns a listener that fails with these errors.
func FailingListener(errs ...error) *Listener {
	return &Listener{errs: errs, closed: make(chan struct{})}
}

// Accept returns the next error.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	if len(l.errs) > 0 {
		defer l.mu.Unlock()
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	l.mu.Unlock()
	<-l.closed
	return nil, net.ErrClosed
}

// Left is how many errors are still to come.
func (l *Listener) Left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.errs)
}

// Close ends the wait of Accept.
func (l *Listener) Close() error { close(l.closed); return nil }

// Addr is no address.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{} }

// AcceptError is how package net wraps what accept4(2) says.
func AcceptError(errno error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
}
