package transport

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
)

// HTTP by the letter: heads as they come over the wire, and how the answer begins. None
// of the clients closes its side: who waits for an answer gets one.
func TestHeadsAreReadByTheLetter(t *testing.T) {
	t.Parallel()
	s := start(t)
	const (
		length = "Content-Length: 2\r\n"
		host   = "Host: a\r\n"
		post   = "POST /metrics HTTP/1.1\r\n"
	)
	long := strings.Repeat("x", 20_000)
	for _, tt := range []struct {
		name, request string
		status        string // of the only answer, behind "HTTP/1.1 "
		ends          bool   // the connection does
	}{
		// RFC 9112, section 2.2: lines end with CRLF; a server may take LF, but not wait for more.
		{"LF only", "POST /metrics HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}", "400", true},
		{"LF only, no body", "GET /livez HTTP/1.1\nHost: a\n\n", "400", true},
		{"LF behind the request line", "GET /livez HTTP/1.1\n" + host + "\r\n", "400", true},
		{"LF behind a field", "GET /livez HTTP/1.1\r\nHost: a\n\r\n", "400", true},
		{"LF for the empty line", "GET /livez HTTP/1.1\r\n" + host + "\n", "400", true},
		{"LF, and CRLF twice in the body", "POST /metrics HTTP/1.1\nHost: a\nContent-Length: 6\n\n1\r\n\r\n ", "400", true},
		{"LF in the body", post + host + "Content-Length: 4\r\n\r\n\n{}\n", "200", false},
		{"an empty line before", "\r\n" + post + host + length + "\r\n{}", "200", false},

		// Section 3.2: targets.
		{"fragment", "GET /livez#x HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"fragment in a query", "GET /livez?a#x HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"absolute", "GET http://b/livez HTTP/1.1\r\n" + host + "\r\n", "200", false},
		{"absolute, other case", "GET HTTP://b:80/livez HTTP/1.1\r\n" + host + "\r\n", "200", false},
		{"absolute, https", "GET https://b/livez HTTP/1.1\r\n" + host + "\r\n", "200", false},
		{"absolute, no path", "OPTIONS http://b HTTP/1.1\r\n" + host + "\r\n", "204", false},
		{"empty authority", "GET http:///livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"empty authority and a query", "GET http://?a HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"user in the authority", "GET http://u:p@b/livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"bad port in the authority", "GET http://b:x/livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"other scheme", "GET ftp://b/livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"no scheme", "GET ://b/livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"no slash", "GET livez HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "204", false},
		{"asterisk, other method", "GET * HTTP/1.1\r\n" + host + "\r\n", "400", true},
		{"CONNECT", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", "405", true},
		{"CONNECT to a path", "CONNECT /health HTTP/1.1\r\n" + host + "\r\n", "405", true},
		{"long", "GET /" + long + " HTTP/1.1\r\n" + host + "\r\n", "414", true},
		{"slashes", "GET " + strings.Repeat("/", 4<<10) + " HTTP/1.1\r\n" + host + "\r\n", "414", true},
		{"slashes before a query", "GET " + strings.Repeat("/", 4<<10) + "?a HTTP/1.1\r\n" + host + "\r\n", "414", true},
		{"slashes over a bad line", "GET " + strings.Repeat("/", 4<<10) + " HTTP/1.1\r\n" + host + "x\r\n\r\n", "400", true},
		{"long query", "GET /events?" + long + " HTTP/1.1\r\n" + host + "\r\n", "414", true},
		{"long head", "GET /livez HTTP/1.1\r\n" + host + "X: " + long + "\r\n\r\n", "431", true},

		// Section 3.2, and RFC 9110, section 7.2: Host.
		{"Host with a port", "GET /livez HTTP/1.1\r\nHost: a:80\r\n\r\n", "200", false},
		{"Host with an empty port", "GET /livez HTTP/1.1\r\nHost: a:\r\n\r\n", "200", false},
		{"Host of IPv6", "GET /livez HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200", false},
		{"Host with blanks around", "GET /livez HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "200", false},
		{"no Host in HTTP/1.0", "GET /livez HTTP/1.0\r\n\r\n", "200", true},
		{"no Host", "GET /livez HTTP/1.1\r\n\r\n", "400", true},
		{"empty Host", "GET /livez HTTP/1.1\r\nHost:\r\n\r\n", "400", true},
		{"user in Host", "GET /livez HTTP/1.1\r\nHost: u@a\r\n\r\n", "400", true},
		{"path in Host", "GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", true},
		{"blank in Host", "GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", "400", true},
		{"two in Host", "GET /livez HTTP/1.1\r\nHost: a, b\r\n\r\n", "400", true},
		{"query in Host", "GET /livez HTTP/1.1\r\nHost: a?b\r\n\r\n", "400", true},
		{"port that is no number", "GET /livez HTTP/1.1\r\nHost: a:http\r\n\r\n", "400", true},
		{"port that is too large", "GET /livez HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400", true},
		{"port alone", "GET /livez HTTP/1.1\r\nHost: :80\r\n\r\n", "400", true},
		{"half a bracket in Host", "GET /livez HTTP/1.1\r\nHost: [::1\r\n\r\n", "400", true},
		{"text behind brackets", "GET /livez HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "400", true},

		// Section 5: fields.
		{"blank in a name", "GET /livez HTTP/1.1\r\n" + host + "X Y: z\r\n\r\n", "400", true},
		{"blank in a name of a length", post + host + "Content Length: 2\r\n\r\n", "400", true},
		{"blank behind a name", "GET /livez HTTP/1.1\r\n" + host + "X : z\r\n\r\n", "400", true},
		{"blank in a value", "GET /livez HTTP/1.1\r\n" + host + "X: y z\r\n\r\n", "200", false},

		// Section 6.1: codings. Section 6.3: chunked, if there at all, is the last one.
		{"unknown coding", post + host + "Transfer-Encoding: foo\r\n\r\n", "501", true},
		{"unknown coding, chunked", post + host + "Transfer-Encoding: foo, chunked\r\n\r\n0\r\n\r\n", "501", true},
		{"gzip, chunked", post + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", true},
		{"chunked, gzip", post + host + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400", true},
		{"chunked twice", post + host + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400", true},
		{"CHUNKED", post + host + "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "200", false},
		{"chunk extension", post + host + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n", "200", false},
		{"long chunk extension", post + host + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 100_000) + "\r\n{}\r\n0\r\n\r\n", "400", true},
		{"trailer", post + host + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n", "200", false},
		{"long trailer", post + host + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: " + long + "\r\n\r\n", "431", true},
		{"chunks of a byte", post + host + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n \r\n", 20_000) + "1\r\n1\r\n0\r\n\r\n", "200", false},

		// RFC 9110, section 7.6.1: Connection is a list, in any case, over several lines.
		{"close", "GET /livez HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "200", true},
		{"Close", "GET /livez HTTP/1.1\r\n" + host + "Connection: Close\r\n\r\n", "200", true},
		{"close in a list", "GET /livez HTTP/1.1\r\n" + host + "Connection: foo ,\tCLOSE , bar\r\n\r\n", "200", true},
		{"close in the first line", "GET /livez HTTP/1.1\r\n" + host + "Connection: close\r\nConnection: foo\r\n\r\n", "200", true},
		{"close in the second line", "GET /livez HTTP/1.1\r\n" + host + "Connection: foo\r\nconnection: close\r\n\r\n", "200", true},
		{"close against keep-alive", "GET /livez HTTP/1.1\r\n" + host + "Connection: close, keep-alive\r\n\r\n", "200", true},
		{"no close", "GET /livez HTTP/1.1\r\n" + host + "Connection: closed, keep-alive\r\n\r\n", "200", false},
		{"keep-alive in HTTP/1.0", "GET /livez HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n", "200", false},

		// Section 10.1.1: expectations.
		{"100-continue", post + host + length + "Expect: 100-continue\r\n\r\n", "100", false},
		{"100-Continue", post + host + length + "Expect: 100-Continue\r\n\r\n", "100", false},
		{"100-CONTINUE in a list", post + host + length + "Expect: , 100-CONTINUE\r\n\r\n", "100", false},
		{"twice", post + host + length + "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", "100", false},
		{"chunked", post + host + "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n", "100", false},
		{"100-continue in HTTP/1.0", "POST /metrics HTTP/1.0\r\n" + length + "Expect: 100-continue\r\n\r\n{}", "200", true},
		{"100-Continue in HTTP/1.0", "POST /metrics HTTP/1.0\r\n" + length + "Expect: 100-Continue\r\n\r\n{}", "200", true},
		{"100-continue without a body", "GET /livez HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n", "200", false},
		{"another expectation", post + host + length + "Expect: foo\r\n\r\n{}", "200", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := s.dial()
			go io.WriteString(conn, tt.request) // the answer may come before it is written
			br := bufio.NewReader(conn)
			method, _, _ := strings.Cut(strings.TrimSpace(tt.request), " ")
			a := readAnswer(t, br, method)
			if strconv.Itoa(a.status) != tt.status {
				t.Fatalf("answer = %d %q; want %s", a.status, a.body, tt.status)
			}
			if a.status == 100 {
				return
			}
			if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
				t.Errorf("Date = %q; want one", a.header.Get("Date"))
			}
			if closes := a.header.Get("Connection") == "close"; closes != tt.ends {
				t.Errorf("Connection = %q; want close: %v", a.header.Get("Connection"), tt.ends)
			}
			if tt.ends {
				if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
					t.Errorf("behind the answer: %q, %v; want the end", rest, err)
				}
				return
			}
			io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if a := readAnswer(t, br, "GET"); a.status != 200 {
				t.Errorf("the next answer = %d %q; want 200", a.status, a.body)
			}
		})
	}
}

// RFC 9110, section 15.5.22.
func TestUpgradeRequiredSaysToWhat(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for _, headers := range [][]string{nil, {"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}} {
		h := s.send(request("GET", "/ws/p/u", "", headers...))
		if h.status != 426 || h.header.Get("Upgrade") != "websocket" || !strings.EqualFold(h.header.Get("Connection"), "Upgrade") {
			t.Errorf("%q: %d, Upgrade %q, Connection %q; want 426, websocket, Upgrade", headers, h.status, h.header.Get("Upgrade"), h.header.Get("Connection"))
		}
	}
}

// RFC 9110, section 9.3.2: as GET, without a body.
func TestHeadTellsWhatGetWould(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for _, target := range []string{"/events", "/event-dispatcher", "/events?shards=0", "/health", "/metrics", "/livez", "/readyz", latestPrefix + "a"} {
		conn := s.dial()
		io.WriteString(conn, request("GET", target, ""))
		got, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		head := s.dial()
		io.WriteString(head, request("HEAD", target, "", "Connection: close"))
		text, err := io.ReadAll(head)
		if err != nil {
			t.Fatal(err)
		}
		answer, rest, _ := strings.Cut(string(text), "\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(text))), &http.Request{Method: "HEAD"})
		if err != nil || resp.StatusCode != 200 || rest != "" {
			t.Errorf("HEAD %s = %q, then %q; want 200 and no body", target, answer, rest)
			continue
		}
		for _, name := range []string{"Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "X-Accel-Buffering"} {
			if resp.Header.Get(name) != got.Header.Get(name) {
				t.Errorf("HEAD %s: %s = %q; GET has %q", target, name, resp.Header.Get(name), got.Header.Get(name))
			}
		}
		conn.Close()
	}
	if a := s.send(request("HEAD", "/events?shards=9", "")); a.status != 400 {
		t.Errorf("HEAD /events?shards=9 = %d; want 400", a.status)
	}
	testkit.Eventually(t, "nobody is a consumer any more", func() bool { return s.pool.Consumers() == 0 })
}

// The answer to one request does not wait for the next one.
func TestAnswerLeavesBeforeALateRequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	next := request("POST", "/metrics", `{"n":12345}`)
	chunked := "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
	for _, tt := range []struct{ name, first, method string }{
		{"an empty answer", request("POST", "/metrics", "{}"), "POST"},
		{"an answer with a body", request("GET", "/livez", ""), "GET"},
		{"an answer to HEAD", request("HEAD", "/livez", ""), "HEAD"},
		{"a refusal", request("POST", "/metrics", "{"), "POST"},
		{"an answer to chunks", chunked, "POST"},
		{"two answers", request("POST", "/metrics", "1") + request("GET", "/livez", ""), "POST"},
	} {
		for name, part := range map[string]string{"nothing": "", "a part of a head": next[:20], "a head": next[:len(next)-11], "a part of a body": next[:len(next)-3], "chunks": chunked[:len(chunked)-9]} {
			conn := s.dial()
			io.WriteString(conn, tt.first+part)
			br := bufio.NewReader(conn)
			readAnswer(t, br, tt.method) // or patience ends
			if tt.name == "two answers" {
				readAnswer(t, br, "GET")
			}
			whole := next
			if name == "chunks" {
				whole = chunked
			}
			io.WriteString(conn, whole[len(part):])
			if a := readAnswer(t, br, "POST"); a.status != 200 {
				t.Errorf("%s, then %s: the second answer = %d %q; want 200", tt.name, name, a.status, a.body)
			}
			conn.Close()
		}
	}
}

// A slow uplink gets there in the end; see also TestSlowRequestsAreCutInTime.
func TestSteadyUploadMayBeSlow(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	s := start(t, func(o *setup) { o.ReadTimeout = limit })
	c := s.listen("/events")
	body := `"` + strings.Repeat("x", 100_000) + `"`
	req := request("POST", "/metrics", body)
	conn := s.dial()
	began := time.Now()
	for len(req) > 0 && time.Since(began) < patience {
		n := min(len(req), 8000)
		if _, err := io.WriteString(conn, req[:n]); err != nil {
			t.Fatalf("after %v: %v; want the server to wait", time.Since(began), err)
		}
		req = req[n:]
		time.Sleep(limit / 8)
	}
	if a := readAnswer(t, bufio.NewReader(conn), "POST"); a.status != 200 || time.Since(began) < limit {
		t.Errorf("a steady upload of %v = %d %q; want 200", time.Since(began), a.status, a.body)
	}
	if got := c.event(); got != body {
		t.Errorf("the event has %d bytes; want %d", len(got), len(body))
	}
}

func TestPreparedAnswersHaveADateOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxConnections = 1 })
	s.dial()
	testkit.Eventually(t, "the only place is taken", func() bool { return s.public.Connections() == 1 })
	time.Sleep(3100 * time.Millisecond)        // dates have seconds
	before := time.Now().Add(-2 * time.Second) // the clock that dates are taken from ticks once a second
	a, _ := sendTo(t, s.addr, request("POST", "/metrics", "{}"))
	if date, err := http.ParseTime(a.header.Get("Date")); a.status != 503 || err != nil || date.Before(before) {
		t.Errorf("an answer over the cap at %v = %d, Date %q; want 503 and now", before, a.status, a.header.Get("Date"))
	}
}

// In the lead every answer ends its connection, refusals among them.
func TestAnswersInTheLeadEndTheirConnections(t *testing.T) {
	t.Parallel()
	s := start(t)
	conn := s.dial()
	br := bufio.NewReader(conn)
	io.WriteString(conn, request("POST", "/metrics", "{}"))
	if a := readAnswer(t, br, "POST"); a.header.Get("Connection") != "" {
		t.Errorf("before the lead: Connection = %q; want none", a.header.Get("Connection"))
	}
	s.Unready()
	io.WriteString(conn, request("POST", "/metrics", "{}"))
	if a := readAnswer(t, br, "POST"); a.status != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("in the lead: %d, Connection = %q; want 200, close", a.status, a.header.Get("Connection"))
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("behind it: %v; want the end", err)
	}
	for _, req := range []string{request("POST", "/metrics", "{"), request("GET", "/nothing", ""), request("DELETE", "/events", ""), request("OPTIONS", "/metrics", ""), request("GET", "/health", "")} {
		conn := s.dial()
		io.WriteString(conn, req)
		method, _, _ := strings.Cut(req, " ")
		if a := readAnswer(t, bufio.NewReader(conn), method); a.header.Get("Connection") != "close" {
			t.Errorf("in the lead: %.20q = %d, Connection %q; want close", req, a.status, a.header.Get("Connection"))
		}
	}
}

// What has begun to come when the drain begins is taken; connections without a request
// end, and nobody is reset.
func TestDrainTakesWhatHasBegunToCome(t *testing.T) {
	t.Parallel()
	s := start(t)
	published := s.broker.Stats().Published
	idle, fresh := s.dial(), s.dial()
	idleReader := bufio.NewReader(idle)
	io.WriteString(idle, request("GET", "/livez", ""))
	readAnswer(t, idleReader, "GET")
	req := request("POST", "/metrics", `{"begun":1}`)
	var begun []io.ReadWriter
	for _, n := range []int{1, 10, 40, len(req) - 3} {
		conn := s.dial()
		io.WriteString(conn, req[:n])
		begun = append(begun, conn)
	}
	testkit.Eventually(t, "all connections are open", func() bool { return s.public.Connections() == 6 })
	time.Sleep(50 * time.Millisecond) // bytes on their way are not seen by anybody
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx) }()
	testkit.Eventually(t, "the drain has begun", func() bool { return s.gather()["dispatcher_draining"] == 1 })
	used := bufio.NewReader(fresh) // a request that was on its way
	io.WriteString(fresh, req)
	if a := readAnswer(t, used, "POST"); a.status != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("a request on an unused connection = %d, Connection %q; want 200, close", a.status, a.header.Get("Connection"))
	}
	if rest, err := io.ReadAll(idleReader); err != nil || len(rest) > 0 {
		t.Errorf("the idle connection ends with %q, %v; want the end", rest, err)
	}
	for i, n := range []int{1, 10, 40, len(req) - 3} { // later than the idle one's end
		io.WriteString(begun[i], req[n:])
		if a := readAnswer(t, bufio.NewReader(begun[i]), "POST"); a.status != 200 || a.header.Get("Connection") != "close" {
			t.Errorf("a request of which %d bytes came before = %d %q, Connection %q; want 200, close", n, a.status, a.body, a.header.Get("Connection"))
		}
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain() = %v; want nil", err)
	}
	if got := s.broker.Stats().Published - published; got != 5 {
		t.Errorf("published meanwhile = %d; want 5", got)
	}
}

// Who is still sending when intake's time is up is told so.
func TestDrainRefusesWhatComesTooLate(t *testing.T) {
	t.Parallel()
	// A server that ends has a moment for these answers. On a busy machine that may not
	// do, but not always.
	testkit.Eventually(t, "a request that is late is answered", func() bool {
		s := start(t)
		conn := s.dial()
		io.WriteString(conn, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
		testkit.Eventually(t, "the connection is open", func() bool { return s.public.Connections() == 1 })
		time.Sleep(50 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = s.Drain(ctx) // says that it was open
		text, err := io.ReadAll(conn)
		if len(text) == 0 {
			return false
		}
		if a := string(text); err != nil || !strings.HasPrefix(a, "HTTP/1.1 503") || !strings.Contains(a, "draining: ") || !strings.Contains(a, "Retry-After") {
			t.Errorf("a request that is late = %q, %v; want 503 draining", text, err)
		}
		return true
	})
}
