package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"

	"github.com/tmaxmax/go-sse"
)

func TestStreamOpensByTheContract(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.broker.Shards = 2; o.broker.Bytes = 32 << 20 })
	for _, target := range []string{"/event-dispatcher", "/events", "/events?x=1", "/events?shards=", "/events?shards=1", "/events?shards=0,1", "/events?shards=1%2C0"} {
		c := s.listen(target, "Last-Event-ID: 0", "Accept: text/event-stream")
		if c.head.status != 200 {
			t.Errorf("GET %s = %d; want 200", target, c.head.status)
		}
		want := map[string]string{
			"Content-Type":                "text/event-stream; charset=utf-8",
			"Transfer-Encoding":           "chunked",
			"Cache-Control":               "no-cache, no-store, no-transform",
			"X-Accel-Buffering":           "no",
			"Access-Control-Allow-Origin": "*",
			"Connection":                  "close",
		}
		for name, value := range want {
			if got := c.head.header.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("GET %s: %s = %q; want %q", target, name, got, value)
			}
		}
		for name := range c.head.header {
			if _, ok := want[name]; !ok && name != "Date" {
				t.Errorf("GET %s: unexpected header %s = %q", target, name, c.head.header.Get(name))
			}
		}
		if _, err := http.ParseTime(c.head.header.Get("Date")); err != nil {
			t.Errorf("GET %s: Date: %v", target, err)
		}
		c.conn.Close()
	}
	for _, target := range []string{"/events?shards=2", "/events?shards=x", "/events?shards=-1", "/events?shards=0,", "/events?shards=99999999999999999999"} {
		if a := s.send(request("GET", target, "")); a.status != 400 || a.reason() != "shards" {
			t.Errorf("GET %s = %d %q; want 400 shards", target, a.status, a.body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "get", "GETX"} {
		for _, target := range []string{"/event-dispatcher", "/events"} {
			a := s.send(request(method, target, ""))
			if allow := a.header.Get("Allow"); a.status != 405 || allow != "GET, HEAD" {
				t.Errorf("%s %s = %d, Allow %q; want 405, GET, HEAD", method, target, a.status, allow)
			}
		}
	}
}

func TestStreamCarriesNothingOlderThanItself(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.post("/metrics", `"before"`)
	c := s.listen("/events")
	s.post("/metrics", `"after"`)
	s.post("/metrics", `"later"`)
	if got := c.block() + c.block(); got != "data: \"after\"\n\ndata: \"later\"\n\n" {
		t.Errorf("the stream = %q; want after and later only", got)
	}
}

func TestShardsSplitTheStream(t *testing.T) {
	t.Parallel()
	const shards, events = 4, 64
	s := start(t, func(o *setup) {
		o.broker.Shards, o.broker.ShardKey, o.broker.Bytes = shards, "session_id", 64<<20
	})
	var streams []*consumer
	for i := range shards {
		streams = append(streams, s.listen("/events?shards="+strconv.Itoa(i)))
	}
	even, odd := s.listen("/events?shards=0,2"), s.listen("/events?shards=1,3")
	for i := range events {
		s.post("/metrics", `{"session_id":"`+strconv.Itoa(i%16)+`","n":`+strconv.Itoa(i)+`}`)
	}
	go s.pool.Drain(context.Background(), 0, 0)
	count := func(cs ...*consumer) (n int) {
		for _, c := range cs {
			rest, err := io.ReadAll(c.br)
			if err != nil {
				t.Fatalf("the end of a stream: %v; want a clean one", err)
			}
			n += bytes.Count(rest, []byte("data: "))
		}
		return n
	}
	if a, b := count(streams...), count(even, odd); a != events || b != events {
		t.Errorf("events in single shards, in halves = %d, %d; want %d each", a, b, events)
	}
}

func TestConsumersOverTheCapAreSentAway(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.pool.MaxConsumers = 2 })
	first := s.listen("/events")
	s.listen("/events")
	retry := regexp.MustCompile(`^retry: (\d+)\n$`)
	for range 20 {
		a, rest := sendTo(t, s.addr, request("GET", "/events", "", "Accept: text/event-stream"))
		m := retry.FindStringSubmatch(a.body)
		if a.status != 200 || m == nil || rest != "" || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
			t.Fatalf("EventSource over the cap = %d, %q, %q; want 200, one retry line and the end", a.status, a.header, a.body)
		}
		if ms, _ := strconv.Atoi(m[1]); ms < 10_000 || ms > 60_000 {
			t.Errorf("retry = %d ms; want 10 to 60 s", ms)
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("Access-Control-Allow-Origin = %q; want *", got)
		}
	}
	for _, accept := range []string{"Accept: */*", "X-None: 1"} {
		a := s.send(request("GET", "/event-dispatcher", "", accept))
		if a.status != 503 || a.reason() != "consumers" || a.header.Get("Retry-After") == "" {
			t.Errorf("GET over the cap with %s = %d %q, Retry-After %q; want 503 with Retry-After", accept, a.status, a.body, a.header.Get("Retry-After"))
		}
	}
	if got := s.gather()["dispatcher_requests_rejected_total{consumers}"]; got != 22 {
		t.Errorf("consumers refused = %v; want 22", got)
	}
	first.conn.Close()
	testkit.Eventually(t, "the place of a consumer that left is free", func() bool {
		return s.gather()["dispatcher_consumers"] == 1
	})
	s.listen("/events")
}

func TestDrainingServerRefusesEventsAndConsumers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Unready()
	s.players.Stop() // without closing the listener
	go s.pool.Drain(context.Background(), 0, 0)
	testkit.Eventually(t, "a consumer is refused", func() bool {
		conn := s.dial() // one that comes just before the drain has a stream
		defer conn.Close()
		io.WriteString(conn, request("GET", "/events", ""))
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && strings.HasPrefix(line, "HTTP/1.1 503")
	})
	for _, tt := range []struct {
		req    string
		status int
	}{
		{request("POST", "/metrics", "{}"), 503},
		{request("POST", "/api/events", "{}"), 503},
		{request("POST", "/metrics", "{}", "Expect: 100-continue"), 503},
		{request("GET", "/events", ""), 503},
		{request("GET", "/readyz", ""), 503},
	} {
		a := s.send(tt.req)
		if a.status != tt.status {
			t.Errorf("%.40q = %d %q; want %d", tt.req, a.status, a.body, tt.status)
		}
		if strings.HasPrefix(a.body, "draining") && a.header.Get("Retry-After") == "" {
			t.Errorf("%.40q has no Retry-After", tt.req)
		}
	}
	if a := s.send(request("GET", "/events", "", "Accept: text/event-stream")); a.status != 200 || !strings.HasPrefix(a.body, "retry: ") {
		t.Errorf("EventSource while draining = %d %q; want 200 and retry", a.status, a.body)
	}
}

// failingConn sends its requests and fails to take an answer.
type failingConn struct {
	net.Conn
	requests io.Reader
	closed   sync.Once
	done     chan struct{}
}

func (c *failingConn) Read(p []byte) (int, error)       { return c.requests.Read(p) }
func (c *failingConn) Write([]byte) (int, error)        { return 0, errors.New("gone") }
func (c *failingConn) Close() error                     { c.closed.Do(func() { close(c.done) }); return nil }
func (c *failingConn) SetReadDeadline(time.Time) error  { return nil }
func (c *failingConn) SetWriteDeadline(time.Time) error { return nil }
func (c *failingConn) SetDeadline(time.Time) error      { return nil }
func (c *failingConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *failingConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// oneConn accepts one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l oneConn) Close() error   { close(l.closed); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// fasthttp does not call the hijack handler when the answer to an earlier request
// of the same packet cannot be written.
func TestStreamThatNeverOpensGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.pool.MaxConsumers = 1 })
	c := &failingConn{
		requests: strings.NewReader(request("GET", "/livez", "") + request("GET", "/events", "")),
		done:     make(chan struct{}),
	}
	ln := oneConn{make(chan net.Conn, 1), make(chan struct{})}
	ln.conn <- c
	s.serveOn(ln, s.Serve)
	<-c.done
	if got := s.gather()["dispatcher_consumers"]; got != 0 {
		t.Errorf("dispatcher_consumers after a stream that failed to open = %v; want 0", got)
	}
	s.listen("/events")
}

func TestClientOfTheEcosystemReceivesEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/events", nil)
	client := sse.Client{HTTPClient: &http.Client{Transport: &http.Transport{}}}
	conn := client.NewConnection(req)
	got := make(chan sse.Event, 2)
	conn.SubscribeToAll(func(e sse.Event) { got <- e })
	ended := make(chan error, 1)
	go func() { ended <- conn.Connect() }()
	testkit.Eventually(t, "the client listens", func() bool { return s.gather()["dispatcher_consumers"] == 1 })
	bodies := []string{"{\"a\":\r\n[1,\n2]}", `"é"`}
	for _, b := range bodies {
		s.post("/metrics", b)
		want := strings.NewReplacer("\r", " ", "\n", " ").Replace(b)
		select {
		case e := <-got:
			if e.Data != want || e.Type != "" || e.LastEventID != "" {
				t.Errorf("the client got %+v; want data %q only", e, want)
			}
		case <-ctx.Done():
			t.Fatal("the client got nothing")
		}
	}
	cancel()
	<-ended
	client.HTTPClient.CloseIdleConnections()
}

// What an EventSource was told at the end of an earlier stream holds until it is told
// something else.
func TestOpeningResetsTheReconnectionTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events", "Accept: text/event-stream")
	var after int
	if _, err := fmt.Sscanf(c.block(), "retry: %d\n", &after); err != nil || after < 2000 || after > 4000 {
		t.Errorf("the opening of an EventSource sets %d ms, %v; want 2,000 to 4,000", after, err)
	}
	s.post("/metrics", `{"a":1}`)
	if got := c.event(); got != `{"a":1}` {
		t.Errorf("the first event = %s", got)
	}
	other := s.listen("/events")
	s.post("/metrics", "2")
	if got := other.block(); got != "data: 2\n\n" {
		t.Errorf("the block behind the opening of others = %q; want the event", got)
	}
}
