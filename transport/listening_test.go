package transport

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"event-dispatcher/internal/testkit"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestServeSurvivesWhatPassesAndReportsTheRest(t *testing.T) {
	t.Parallel()
	s := start(t)
	broken := errors.New("broken")
	for name, serve := range map[string]func(net.Listener) error{"Serve": s.Serve, "ServeAdmin": s.ServeAdmin} {
		before := s.gather()["dispatcher_accept_backoffs_total"]
		ln := testkit.FailingListener(testkit.AcceptError(syscall.EMFILE), testkit.AcceptError(syscall.ECONNABORTED), broken)
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
