//go:build linux

package proxies

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/smuggling"
	"event-dispatcher/internal/testkit"
)

// Requests that are in order for the service alone, or refused without a close, but
// that a proxy may read differently.
var more = []smuggling.Probe{
	{Name: "hop-by-hop length", Request: post("Connection: keep-alive, Content-Length", "Content-Length: 2") + "{}" + smuggling.Hidden},
	{Name: "hop-by-hop encoding", Request: post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked") + "2\r\n{}\r\n0\r\n\r\n" + smuggling.Hidden},
	{Name: "tab before chunked", Request: post("Transfer-Encoding:\tchunked") + "0\r\n\r\n" + smuggling.Hidden},
	{Name: "underscore", Request: post("Content_Length: 2", hiddenLength) + smuggling.Hidden},
	{Name: "underscore in the encoding", Request: post("Transfer_Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" + smuggling.Hidden},
	{Name: "bare line feeds", Request: strings.ReplaceAll(post("Content-Length: 2"), "\r\n", "\n") + "{}" + smuggling.Hidden},
	{Name: "bare line feeds around chunks", Request: post("Transfer-Encoding: chunked") + "2\n{}\n0\n\n" + smuggling.Hidden},
	{Name: "chunk extension that hides a line", Request: post("Transfer-Encoding: chunked") + "2;a=\"\r\n{}\r\n0\r\n\r\n" + smuggling.Hidden},
	{Name: "hidden in a trailer", Request: post("Transfer-Encoding: chunked") + "2\r\n{}\r\n0\r\nX: y\r\n" + smuggling.Hidden},
	{Name: "body of a GET", Request: "GET /livez HTTP/1.1\r\nHost: a\r\n" + hiddenLength + "\r\n\r\n" + smuggling.Hidden},
	{Name: "chunked body of a GET", Request: "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggling.Hidden},
	{Name: "body of a HEAD", Request: "HEAD /livez HTTP/1.1\r\nHost: a\r\n" + hiddenLength + "\r\n\r\n" + smuggling.Hidden},
	{Name: "upgrade to HTTP/2", Request: post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "Content-Length: 2") + "{}" + smuggling.Hidden},
	{Name: "upgrade with a body", Request: post("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 2") + "{}" + smuggling.Hidden},
	{Name: "upgrade to another version of WebSocket", Request: "GET /events HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + smuggling.Hidden},
	{Name: "upgrade of a path that has none", Request: "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + smuggling.Hidden},
	{Name: "expectation without a wait", Request: post("Expect: 100-continue", "Content-Length: 2") + "{}" + smuggling.Hidden},
	{Name: "expectation of a body too large", Request: post("Expect: 100-continue", "Content-Length: 300000") + smuggling.Hidden},
	{Name: "refused before its body", Request: post("Content-Encoding: gzip", hiddenLength) + smuggling.Hidden},
	{Name: "absolute target", Request: strings.Replace(post("Content-Length: 2"), "/metrics", "http://b/metrics", 1) + "{}" + smuggling.Hidden},
	{Name: "line break in the target", Request: "GET /livez%0d%0a%0d%0aPOST%20/metrics HTTP/1.1\r\nHost: a\r\n\r\n"},
	{Name: "two in order", Request: post("Content-Length: 2") + "{}" + smuggling.Hidden},
}

var hiddenLength = fmt.Sprint("Content-Length: ", len(smuggling.Hidden))

func post(lines ...string) string {
	return "POST /metrics HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// A proxy that took one request of a visitor must not have the service handle two:
// the second would be under nobody's eyes, and its answer is the next visitor's. Every
// request that a proxy takes it answers, so the handler is called at most as often
// as the visitor gets answers.
func TestNoProbeIsHandledTwice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind    kind
		changes [][2]string
	}{
		{kinds[0], nil},
		{kinds[1], nil},
		// One that has all visitors share its connections to the service.
		{kinds[1], [][2]string{{"defaults\n", "defaults\nhttp-reuse always\n"}}},
	} {
		t.Run(tt.kind.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			p := tt.kind.in(t, s, tt.changes...)
			stream := listen(t, client(t), s.addr)
			visitor := client(t)
			handled := 0
			for i, probe := range append(append([]smuggling.Probe{}, smuggling.Probes...), more...) {
				before := s.received()
				statuses := p.probe(probe.Request)
				// The next visitor gets his own answer, and his event is the next.
				canary := fmt.Sprintf(`{"canary":%d}`, i)
				if status, reason := p.post(visitor, "/metrics", canary); status != 200 {
					t.Errorf("%s: the next visitor is answered %d %s; want 200", probe.Name, status, reason)
				}
				calls := s.received() - before - 1
				if calls > len(statuses) {
					t.Errorf("%s: the handler was called %d times; the proxy answered %v", probe.Name, calls, statuses)
				}
				handled += calls
				accepted := 0
				for _, status := range statuses {
					if status == 200 {
						accepted++
					}
				}
				for event := stream.event(); event != canary; event = stream.event() {
					if accepted--; accepted < 0 {
						t.Errorf("%s: event %q is more than the proxy answered: %v", probe.Name, event, statuses)
					}
				}
			}
			if handled == 0 { // two in order are two
				t.Errorf("no probe reached the handler; want those that are in order")
			}
		})
	}
}

func (s *service) received() int { return int(s.Metric("dispatcher_events_received_total")) }

// probe sends all of it, and returns the statuses of the answers until the proxy
// closes the connection.
func (p *proxy) probe(text string) (statuses []int) {
	p.t.Helper()
	c, err := net.Dial("tcp", p.probes)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(testkit.Patience))
	go io.WriteString(c, text)
	br := bufio.NewReader(c)
	method, _, _ := strings.Cut(text, " ")
	for {
		if _, err := br.Peek(1); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				p.t.Errorf("the proxy keeps the connection of %.80q", text)
			}
			return statuses
		}
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil { // as HTTP/0.9 is answered
			return append(statuses, 0)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 200 {
			statuses = append(statuses, resp.StatusCode)
			method = "POST" // the one that is hidden
		}
	}
}
