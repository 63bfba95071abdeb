package transport

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
)

// patience is how long a test waits for what must happen. Machines that are busy
// with other things are slow, so it says nothing about how long things take.
const patience = testkit.Patience

// setup is what a testServer is made of.
type setup struct {
	Options
	pool   stream.Options
	broker broker.Options
}

// testServer is a server on a loopback port of its own.
type testServer struct {
	*Server
	broker *broker.Broker
	pool   *stream.Pool
	hub    *screens.Hub // nil: none

	t       testing.TB
	addr    string
	serving sync.WaitGroup
}

// start serves until the test ends.
func start(t testing.TB, change ...func(*setup)) *testServer {
	t.Helper()
	o := setup{broker: broker.Options{Bytes: 16 << 20}}
	for _, f := range change {
		f(&o)
	}
	b, err := broker.New(o.broker)
	if err != nil {
		t.Fatalf("broker.New(%+v) = %v; want nil", o.broker, err)
	}
	p, err := stream.New(b, o.pool)
	if err != nil {
		t.Fatalf("stream.New(%+v) = %v; want nil", o.pool, err)
	}
	s := New(b, p, o.Options)
	ts := &testServer{Server: s, broker: b, pool: p, hub: o.Screens, t: t}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		s.Drain(now)
		s.CloseAdmin(now)
		p.Drain(now, 0, 0)
		p.Close()
		ts.serving.Wait()
	})
	ts.addr = ts.serveOn(loopback(t), s.Serve)
	return ts
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serveOn has serve answer on ln until the test ends, and holds it to end then
// without an error.
func (s *testServer) serveOn(ln net.Listener, serve func(net.Listener) error) string {
	s.serving.Go(func() {
		if err := serve(ln); err != nil {
			s.t.Errorf("serve = %v; want nil", err)
		}
	})
	return ln.Addr().String()
}

// dial opens a connection that the test's end closes and patience limits.
func (s *testServer) dial() *net.TCPConn {
	s.t.Helper()
	return dialTo(s.t, s.addr)
}

func dialTo(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// An answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// reason is the first word of a refusal.
func (a answer) reason() string {
	word, _, ok := strings.Cut(a.body, ":")
	if !ok {
		return ""
	}
	return word
}

// readAnswer reads the next response to a request of the given method.
func readAnswer(t testing.TB, br *bufio.Reader, method string) answer {
	t.Helper()
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	if resp.Close { // what package net/http makes of the header
		resp.Header.Set("Connection", "close")
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// send writes a request, byte by byte as given, and returns its answer.
func (s *testServer) send(request string) answer {
	s.t.Helper()
	a, _ := sendTo(s.t, s.addr, request)
	return a
}

// sendTo also returns what follows the answer, until the server closes; it asks
// for the end by closing its own side.
func sendTo(t testing.TB, addr, request string) (a answer, rest string) {
	t.Helper()
	c := dialTo(t, addr)
	defer c.Close()
	go func() { // the answer may come before the request is written
		io.WriteString(c, request)
		c.CloseWrite()
	}()
	br := bufio.NewReader(c)
	method, _, _ := strings.Cut(request, " ")
	a = readAnswer(t, br, method)
	left, _ := io.ReadAll(br)
	return a, string(left)
}

// request is the text of a request with a body. Headers are whole lines.
func request(method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: test\r\n", method, target)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// post publishes, and holds the server to answer 200.
func (s *testServer) post(path, body string, headers ...string) {
	s.t.Helper()
	if a := s.send(request("POST", path, body, headers...)); a.status != 200 || a.body != "" {
		s.t.Fatalf("POST %s %.80q = %d %q; want 200 without a body", path, body, a.status, a.body)
	}
}

// A consumer is one open stream.
type consumer struct {
	t     testing.TB
	conn  *net.TCPConn
	br    *bufio.Reader
	head  answer // without a body
	first string // its opening
}

// listen opens a stream and reads its head and first comment.
func (s *testServer) listen(target string, headers ...string) *consumer {
	s.t.Helper()
	c := &consumer{t: s.t, conn: s.dial()}
	c.br = bufio.NewReader(c.conn)
	io.WriteString(c.conn, request("GET", target, "", headers...))
	head := textproto.NewReader(c.br)
	status, err := head.ReadLine()
	if err != nil {
		s.t.Fatalf("GET %s: %v", target, err)
	}
	header, err := head.ReadMIMEHeader()
	if err != nil {
		s.t.Fatalf("GET %s: %v", target, err)
	}
	fmt.Sscanf(status, "HTTP/1.1 %d", &c.head.status)
	c.head.header = http.Header(header)
	if c.head.header.Get("Transfer-Encoding") == "chunked" {
		c.br = bufio.NewReader(httputil.NewChunkedReader(c.br))
	}
	if c.first = c.block(); !strings.HasPrefix(c.first, ":") {
		s.t.Fatalf("the first block of GET %s = %q; want a comment", target, c.first)
	}
	return c
}

// block reads the next event, or the next notice, which is a line.
func (c *consumer) block() string {
	c.t.Helper()
	b, err := c.next()
	if err != nil {
		c.t.Fatalf("the stream after %q: %v; want a block", b, err)
	}
	return b
}

func (c *consumer) next() (string, error) {
	var b strings.Builder
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := c.br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\n" || strings.HasPrefix(line, ":") || strings.HasPrefix(line, "retry:") {
			return b.String(), err
		}
	}
}

// event returns the data of the next event, passing over comments and ids.
func (c *consumer) event() string {
	c.t.Helper()
	for {
		b := c.block()
		if strings.HasPrefix(b, ":") || strings.HasPrefix(b, "id: ") {
			continue
		}
		data, ok := strings.CutPrefix(b, "data: ")
		data, end := strings.CutSuffix(data, "\n\n")
		if !ok || !end || strings.ContainsAny(data, "\r\n") {
			c.t.Fatalf("block = %q; want one data line and an empty one", b)
		}
		return data
	}
}

// metrics returns the server's own metrics: name, or name{value of the label}.
func (s *testServer) gather() map[string]float64 {
	s.t.Helper()
	families, err := s.operate.Registry().Gather()
	if err != nil {
		s.t.Fatalf("Gather() = %v; want nil", err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if l := m.GetLabel(); len(l) == 1 {
				values[name+"{"+l[0].GetValue()+"}"] = value
			}
			values[name] += value // the sum over all labels
		}
	}
	return values
}
