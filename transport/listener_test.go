package transport

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// scripted is a listener that fails with the given errors in turn, and then
// waits for its end.
type scripted struct {
	mu     sync.Mutex
	errs   []error
	closed chan struct{}
}

func (l *scripted) Accept() (net.Conn, error) {
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
func (l *scripted) Close() error   { close(l.closed); return nil }
func (l *scripted) Addr() net.Addr { return &net.TCPAddr{} }

// acceptError is how package net wraps what accept4(2) says.
func acceptError(errno error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
}

func wrap(ln net.Listener) (*listener, *atomic.Uint64, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	backoffs := new(atomic.Uint64)
	return &listener{
		Listener: ln, open: &connections{}, refusing: &connections{}, backoffs: backoffs,
		log: zap.New(core), closed: make(chan struct{}),
	}, backoffs, logs
}

func TestAcceptBacksOffWithoutDescriptors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := &scripted{closed: make(chan struct{})}
		for range 5 {
			for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
				inner.errs = append(inner.errs, acceptError(errno))
			}
		}
		l, backoffs, logs := wrap(inner)
		start := time.Now()
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		// 5 + 10 + ... + 640 ms, then a second each.
		const want = 1275*time.Millisecond + 12*time.Second
		time.Sleep(want - time.Nanosecond)
		synctest.Wait()
		if left := len(inner.errs); left != 0 || backoffs.Load() != 20 {
			t.Errorf("after %v: %d errors left, %d back-offs; want 0, 20", time.Since(start), left, backoffs.Load())
		}
		if n := logs.Len(); n != 20 || logs.All()[0].Message != logs.All()[19].Message {
			t.Errorf("log lines = %d; want 20 of one kind, which sampling thins out", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := backoffs.Load(); got != 20 {
			t.Errorf("back-offs after accepting works again = %d; want still 20", got)
		}
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() = %v; want %v", err, net.ErrClosed)
		}
	})
}

func TestCloseEndsABackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := &scripted{closed: make(chan struct{}), errs: []error{acceptError(syscall.EMFILE), acceptError(syscall.EMFILE)}}
		l, _, _ := wrap(inner)
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		time.Sleep(minBackoff + 1)
		start := time.Now()
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Errorf("Close(), twice = %v; want nil", err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("Accept() = %v, %v after Close; want %v at once", err, time.Since(start), net.ErrClosed)
		}
	})
}

func TestServeSurvivesWhatPassesAndReportsTheRest(t *testing.T) {
	t.Parallel()
	s := start(t)
	broken := errors.New("broken")
	for name, serve := range map[string]func(net.Listener) error{"Serve": s.Serve, "ServeAdmin": s.ServeAdmin} {
		before := s.gather()["dispatcher_accept_backoffs_total"]
		ln := &scripted{closed: make(chan struct{}), errs: []error{acceptError(syscall.EMFILE), acceptError(syscall.ECONNABORTED), broken}}
		if err := serve(ln); !errors.Is(err, broken) {
			t.Errorf("%s = %v; want %v", name, err, broken)
		}
		if got := s.gather()["dispatcher_accept_backoffs_total"] - before; got != 2 {
			t.Errorf("%s: back-offs = %v; want 2", name, got)
		}
	}
}

// A listener that comes during or after the drain must not be served for ever.
func TestListenerThatComesTooLateIsClosed(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("Drain() = %v; want nil", err)
	}
	if err := s.CloseAdmin(t.Context()); err != nil {
		t.Errorf("CloseAdmin() = %v; want nil", err)
	}
	for _, serve := range []func(net.Listener) error{s.Serve, s.ServeAdmin} {
		ln := loopback(t)
		if err := serve(ln); err != nil {
			t.Errorf("serve after the drain = %v; want nil", err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() of that listener = %v; want %v", err, net.ErrClosed)
		}
	}
}

func TestNothingOfARequestIsLogged(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	s := start(t, func(o *setup) { o.Log = zap.New(core) })
	for _, req := range []string{
		"GET " + secret + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / " + secret + "\r\nHost: a\r\n\r\n",
		secret + "\x00 / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " + secret + "\x00\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + secret + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: " + secret + "\r\n\r\n",
		request("POST", "/metrics", secret),
		request("POST", "/"+secret, "{}"),
		request("GET", "/events?shards="+secret, ""),
	} {
		if a := s.send(req); a.status < 400 || strings.Contains(a.body, secret) {
			t.Errorf("%q = %d %q; want an error that does not quote it", req, a.status, a.body)
		}
	}
	kinds := map[string]bool{}
	for _, e := range logs.All() {
		kinds[e.Message] = true
		for key, value := range e.ContextMap() {
			if v, ok := value.(string); ok && strings.Contains(v, secret) {
				t.Errorf("log field %s = %q; want nothing of the request", key, v)
			}
		}
		if strings.Contains(e.Message, secret) {
			t.Errorf("log line %q; want nothing of the request", e.Message)
		}
	}
	if len(kinds) > 3 {
		t.Errorf("kinds of log lines = %v; want few, so that sampling works", kinds)
	}
}
