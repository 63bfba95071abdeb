package transport

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/smuggling"
	"event-dispatcher/internal/testkit"
)

func TestRequestsThatProxiesReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, p := range smuggling.Probes {
		before := s.players.Received()
		a, rest := sendTo(t, s.addr, p.Request)
		if a.status != p.Status || rest != "" {
			t.Errorf("%s: answers %d %q, then %q; want %d and the end", p.Name, a.status, a.body, rest, p.Status)
		}
		if got := s.players.Received() - before; got > 0 {
			t.Errorf("%s: %d events reached the handler; want 0", p.Name, got)
		}
	}
	s.post("/metrics", "{}")
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	conn := s.dial()
	fmt.Fprint(conn,
		request("POST", "/metrics", "1"),
		request("POST", "/metrics", "["),
		"\r\n", // RFC 9112, section 2.2: an empty line before a request is ignored
		request("POST", "/api/events", "{}"),
		"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1;x=y\r\n]\r\n0\r\nX: y\r\n\r\n",
		request("DELETE", "/metrics", "2"),
		request("POST", "/metrics", "3", "Connection: close"))
	br := bufio.NewReader(conn)
	for i, want := range []int{200, 400, 200, 200, 405, 200} {
		if a := readAnswer(t, br, "POST"); a.status != want {
			t.Errorf("answer %d = %d %q; want %d", i, a.status, a.body, want)
		}
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("after Connection: close: %v; want EOF", err)
	}
	for _, want := range []string{"1", `{"user_ip":"127.0.0.1"}`, "[]", "3"} {
		if got := c.event(); got != want {
			t.Errorf("event = %s; want %s", got, want)
		}
	}
}

func TestConnectionStaysOpenForTheNextEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	conn := s.dial()
	br := bufio.NewReader(conn)
	for i := range 100 {
		io.WriteString(conn, request("POST", "/metrics", "{}"))
		if a := readAnswer(t, br, "POST"); a.status != 200 || a.header.Get("Connection") != "" {
			t.Fatalf("POST %d = %d, Connection %q; want 200 and none", i, a.status, a.header.Get("Connection"))
		}
	}
	// HTTP/1.0, as old load balancers speak.
	a, rest := sendTo(t, s.addr, "POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
	if a.status != 200 || rest != "" {
		t.Errorf("POST over HTTP/1.0 = %d, then %q; want 200 and the end", a.status, rest)
	}
}

// A client that still sends must be able to read why it is refused: closing a
// socket with unread bytes would reset it.
func TestRefusalReachesAClientThatStillSends(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxBody = 64 << 10 })
	const size = 4 << 20 // more than the sockets' buffers take
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	for _, tt := range []struct {
		name, request string
		status        int
		reason        string
	}{
		{"length", request("POST", "/metrics", strings.Repeat("x", size)), 413, "too_large"},
		{"chunks", "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, size/(32<<10)) + "0\r\n\r\n", 413, "too_large"},
		{"one chunk", "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" + strings.Repeat("x", size), 413, "too_large"},
		{"headers", "GET /events HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("x", size) + "\r\n\r\n", 431, "headers_too_large"},
		{"many headers", "GET /events HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", size/6) + "\r\n", 431, "headers_too_large"},
		{"target", "GET /" + strings.Repeat("x", size) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"},
		{"malformed", "POST /metrics HTTP/1.1\r\nContent-Length: 4194304\r\n\r\n" + strings.Repeat("x", size), 400, "malformed"},
		{"expected, sent anyway", request("POST", "/metrics", strings.Repeat("x", size), "Expect: 100-continue"), 413, "too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := s.dial()
			written := make(chan error, 1)
			go func() { // all of it, before reading: as simple clients do
				_, err := io.WriteString(conn, tt.request)
				written <- err
			}()
			if err := <-written; err != nil {
				t.Errorf("writing the request: %v; want nil", err)
			}
			a := readAnswer(t, bufio.NewReader(conn), "POST")
			if a.status != tt.status || a.reason() != tt.reason {
				t.Errorf("answer = %d %q; want %d %s", a.status, a.body, tt.status, tt.reason)
			}
		})
	}
}

func TestBodyIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxBody = 1000; o.ClientRate = 1 })
	for _, tt := range []struct {
		name, client string
		lines        string
		status       int
		reason       string
	}{
		{"too large", "198.51.100.1", "Content-Length: 1001", 413, "too_large"},
		{"encoding", "198.51.100.2", "Content-Length: 10\r\nContent-Encoding: br", 415, "content_encoding"},
		{"taken", "198.51.100.3", "Content-Length: 10", 100, ""},
		{"over the limit", "198.51.100.3", "Content-Length: 10", 429, "client_limit"},
		{"another client", "198.51.100.4", "Content-Length: 10", 100, ""},
	} {
		conn := s.dial()
		fmt.Fprintf(conn, "POST /metrics HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nX-Forwarded-For: %s\r\n%s\r\n\r\n", tt.client, tt.lines)
		br := bufio.NewReader(conn)
		a := readAnswer(t, br, "POST")
		if a.status != tt.status || a.reason() != tt.reason {
			t.Errorf("%s: %d %q; want %d %s", tt.name, a.status, a.body, tt.status, tt.reason)
			continue
		}
		if a.status == 100 {
			io.WriteString(conn, "[12345678]")
			// Asked for its body, it is not counted against the limit again.
			if a := readAnswer(t, br, "POST"); a.status != 200 {
				t.Errorf("%s: %d %q after 100; want 200", tt.name, a.status, a.body)
			}
			continue
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection goes on with %v; want EOF", tt.name, err)
		}
	}
	if got := s.gather()["dispatcher_events_received_total"]; got != 5 {
		t.Errorf("events received = %v; want 5, accepted or not", got)
	}
}

func TestSlowRequestsAreCutInTime(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ReadTimeout = 200 * time.Millisecond; o.IdleTimeout = 200 * time.Millisecond })
	for name, part := range map[string]string{
		"headers":     "POST /metrics HTTP/1.1\r\nHost:",
		"body":        "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
		"chunk":       "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{",
		"chunk size":  "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"second head": request("POST", "/metrics", "1") + "POST /metrics",
	} {
		conn := s.dial()
		io.WriteString(conn, part)
		br := bufio.NewReader(conn)
		if name == "second head" {
			readAnswer(t, br, "POST")
		}
		a := readAnswer(t, br, "POST")
		if name != "chunk size" && (a.status != 408 || a.reason() != "timeout") {
			t.Errorf("%s, then nothing: %d %q; want 408", name, a.status, a.body)
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("%s, then nothing: the connection ends with %v; want EOF", name, err)
		}
	}
	// Browsers open connections that they do not use. Nobody was refused.
	before := s.gather()["dispatcher_requests_rejected_total{timeout}"]
	for _, part := range []string{"", "\r\n"} {
		conn := s.dial()
		io.WriteString(conn, part)
		if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
			t.Errorf("%q, then nothing: %q, %v; want the end", part, got, err)
		}
	}
	gone := s.dial()
	gone.SetLinger(0)
	gone.Close()
	if m := s.gather(); m["dispatcher_requests_rejected_total{timeout}"] != before || m["dispatcher_requests_rejected_total{incomplete}"] != 0 {
		t.Errorf("connections without a request are counted: timeout %v, incomplete %v; want %v, 0",
			m["dispatcher_requests_rejected_total{timeout}"], m["dispatcher_requests_rejected_total{incomplete}"], before)
	}
	// A byte now and then does not buy time.
	conn := s.dial()
	go func() {
		for _, b := range []byte(request("POST", "/metrics", strings.Repeat(" ", 10_000)+"1")) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if a := readAnswer(t, bufio.NewReader(conn), "POST"); a.status != 408 {
		t.Errorf("a byte every 10 ms: %d %q; want 408", a.status, a.body)
	}
	// An idle connection is closed without a word.
	idle := s.dial()
	io.WriteString(idle, request("POST", "/metrics", "1"))
	br := bufio.NewReader(idle)
	readAnswer(t, br, "POST")
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("an idle connection ends with %q, %v; want the end", rest, err)
	}
}

func TestClientThatDoesNotReadItsAnswersIsCut(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ReadTimeout = 500 * time.Millisecond; o.IdleTimeout = time.Second })
	conn := s.dial()
	conn.SetReadBuffer(4096)
	go func() {
		for req := strings.Repeat(request("GET", "/health", ""), 1000); ; {
			if _, err := io.WriteString(conn, req); err != nil {
				return
			}
		}
	}()
	testkit.Eventually(t, "the connection is there", func() bool { return s.public.Connections() == 1 })
	testkit.Eventually(t, "the connection is cut", func() bool { return s.public.Connections() == 0 })
}

func TestPanicInAHandlerIsAnsweredAndCounted(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.Degraded = func() []string { panic(secret) } })
	for i := range 3 {
		a, rest := sendTo(t, s.addr, request("GET", "/readyz", ""))
		if a.status != 500 || a.reason() != "panic" || strings.Contains(a.body, secret) || rest != "" {
			t.Errorf("GET /readyz that panics = %d %q, then %q; want 500 and the end", a.status, a.body, rest)
		}
		m := s.gather()
		if m["dispatcher_panics_total"] != float64(i+1) || m["dispatcher_requests_rejected_total{panic}"] != float64(i+1) {
			t.Errorf("panics after %d = %v, %v; want as many", i+1, m["dispatcher_panics_total"], m["dispatcher_requests_rejected_total{panic}"])
		}
	}
	s.post("/metrics", "{}")
}

func TestConnectionsOverTheCapAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxConnections = 2; o.Origins = []string{"https://a.example"} })
	hold := s.dial()
	s.dial()
	testkit.Eventually(t, "both connections are open", func() bool { return s.public.Connections() == 2 })
	for range 5 {
		a, rest := sendTo(t, s.addr, request("POST", "/metrics", strings.Repeat(" ", 100_000)))
		if a.status != 503 || a.reason() != "connections" || a.header.Get("Retry-After") == "" || rest != "" {
			t.Errorf("POST over the cap = %d %q, Retry-After %q; want 503", a.status, a.body, a.header.Get("Retry-After"))
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("Access-Control-Allow-Origin = %q with an allow-list and an unknown origin; want none", got)
		}
	}
	if got := s.gather()["dispatcher_requests_rejected_total{connections}"]; got != 5 {
		t.Errorf("connections refused = %v; want 5", got)
	}
	hold.Close()
	testkit.Eventually(t, "a connection is let in again", func() bool {
		return s.send(request("POST", "/metrics", "{}")).status == 200
	})
	// A stream is a consumer, not a connection.
	for range 5 {
		testkit.Eventually(t, "a stream opens", func() bool {
			conn := s.dial()
			io.WriteString(conn, request("GET", "/events", ""))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			return err == nil && resp.StatusCode == 200
		})
	}
	testkit.Eventually(t, "streams are not counted as connections", func() bool { return s.public.Connections() == 1 })
}
