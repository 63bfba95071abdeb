package transport

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/screens"
)

// withReplay has a user whose replay is an answer of so many bytes.
func (s *testServer) withReplay(bytes int) (ask string) {
	s.t.Helper()
	s.post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u","cardId":"c","data":"%s"}`, strings.Repeat("x", bytes)))
	return request("GET", "/poc/replay_event_data/u", "")
}

// unread opens connections that send requests and read nothing.
func (s *testServer) unread(connections int, requests string) (all []net.Conn) {
	s.t.Helper()
	for range connections {
		c := s.dial()
		c.SetReadBuffer(4 << 10)
		io.WriteString(c, requests)
		all = append(all, c)
	}
	return all
}

// Peers that ask for large answers and read nothing have a budget: what is over it is
// refused, what they had is free when they have left, and nobody who publishes feels it.
func TestAnswersThatNobodyReadsHaveABudget(t *testing.T) {
	t.Parallel()
	const budget, large = 8 << 20, 1 << 20
	s := start(t, withSessions(t, screens.HubOptions{}, session.ServiceOptions{}), func(o *setup) {
		o.BodiesBytes, o.MaxBody = budget, large
	})
	ask := s.withReplay(large / 2)
	all := s.unread(4*budget/(large/2), strings.Repeat(ask, 8))
	var most float64
	testkit.Eventually(t, "some are refused", func() bool {
		m := s.gather()
		most = max(most, m["dispatcher_answers_bytes"])
		return m["dispatcher_requests_rejected_total{bodies}"] > 0
	})
	if limit := s.gather()["dispatcher_answers_bytes_max"]; most < large/2 || most > limit {
		t.Errorf("dispatcher_answers_bytes = %v; want some, and %v at most", most, limit)
	}
	s.post("/metrics", `"`+strings.Repeat("x", 100<<10)+`"`)
	bad := strings.Repeat("{'a':1}\n", 99)
	if a := s.send(request("POST", "/api/events", "{}\n"+bad, "Content-Type: application/x-ndjson")); a.status != 200 || len(a.body) < 8<<10 {
		t.Errorf("a batch of which one event is good = %d, %d bytes; want 200, and what is wrong of each of the others", a.status, len(a.body))
	}
	for _, c := range all {
		c.Close()
	}
	testkit.Eventually(t, "all is given back", func() bool { return s.gather()["dispatcher_answers_bytes"] == 0 })
	if a := s.send(ask); a.status != 200 || len(a.body) < large/2 {
		t.Errorf("replay afterwards = %d, %d bytes; want 200 and the event", a.status, len(a.body))
	}
}

// Who reads nothing of a large answer is cut soon, and who reads slowly is not.
func TestPeersThatTakeNothingOfAnAnswerAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.MaxBody, o.IdleTimeout = 1<<20, time.Hour })
	s.unread(1, s.withReplay(1_000_000))
	testkit.Eventually(t, "the answer is held", func() bool { return s.gather()["dispatcher_answers_bytes"] > 0 })
	testkit.Eventually(t, "it is given up", func() bool { return s.gather()["dispatcher_answers_bytes"] == 0 })
}

// Files that are built in are shared by all answers.
func TestUnreadFilesCostNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	ask := request("GET", "/openapi.json", "")
	s.unread(30, strings.Repeat(ask, 50))
	c := s.dial()
	br := bufio.NewReader(c)
	io.WriteString(c, ask)
	if a := readAnswer(t, br, "GET"); a.status != 200 || len(a.body) < 16<<10 {
		t.Errorf("/openapi.json = %d, %d bytes; want 200, and so many that they would count", a.status, len(a.body))
	}
	if got := s.gather()["dispatcher_answers_bytes"]; got != 0 {
		t.Errorf("dispatcher_answers_bytes = %v; want 0", got)
	}
}

// A large answer gives back what it took when the next request is awaited.
func TestAnswersThatAreReadLeaveTheBudget(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.BodiesBytes, o.MaxBody = 1<<20, 64<<10 })
	s.post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u","cardId":"c","data":"%s"}`, strings.Repeat("x", 60_000)))
	c := s.dial()
	br := bufio.NewReader(c)
	for n := range 100 { // 6 MB in all
		io.WriteString(c, request("GET", "/poc/replay_event_data/u", ""))
		if a := readAnswer(t, br, "GET"); a.status != 200 {
			t.Fatalf("answer %d on a connection = %d %q; want 200", n, a.status, a.body)
		}
	}
}

// What one request took is not kept by its connection while that is idle.
func TestLargeRequestsLeaveLittleBehind(t *testing.T) {
	const conns, most = 200, 64 << 10 // bytes for each, with what the HTTP server and the client always have
	s := start(t)
	for _, tt := range []struct{ name, target, status string }{
		{"many parameters", "/events/view?" + strings.Repeat("a&", 3500), "HTTP/1.1 200"},
		{"a long query that nobody reads", "/livez?" + strings.Repeat("a&", 3500), "HTTP/1.1 200"},
		{"a long path", "/" + strings.Repeat("x", 2000), "HTTP/1.1 404"},
		{"a path that is too long", "/" + strings.Repeat("x", 15_000), "HTTP/1.1 414"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := heap()
			for range conns {
				c := s.dial()
				defer c.Close()
				io.WriteString(c, request("GET", tt.target, ""))
				line, err := bufio.NewReader(c).ReadString('\n')
				if err != nil || !strings.HasPrefix(line, tt.status) {
					t.Fatalf("answer %q, %v; want %s", line, err, tt.status)
				}
			}
			runtime.GC() // what pools hold survives the first one
			if grown := (heap() - before) / conns; grown > most {
				t.Errorf("%d bytes are kept for each connection; want %d at most", grown, most)
			}
		})
	}
}

func TestHeadsOfManyLinesAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for lines, status := range map[int]int{99: 200, 101: 431, 4000: 431} { // Host is one of them
		a, rest := sendTo(t, s.addr, "GET /livez HTTP/1.1\r\nHost: a\r\n"+strings.Repeat("a:\r\n", lines-1)+"\r\n"+request("GET", "/livez", ""))
		if a.status != status || status == 431 && (a.reason() != "headers_too_large" || rest != "") {
			t.Errorf("a head of %d lines = %d %q, and then %q; want %d and, if it is refused, nothing more", lines, a.status, a.body, rest, status)
		}
	}
	// One that is never whole, too, when more of it is awaited.
	c := s.dial()
	io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: a\r\n"+strings.Repeat("a:\r\n", 102)+"b")
	if a := readAnswer(t, bufio.NewReader(c), "GET"); a.status != 431 || a.reason() != "headers_too_large" {
		t.Errorf("the beginning of a head of 103 lines = %d %q; want 431", a.status, a.body)
	}
	lines := strings.Repeat("a:\r\n", 3800)
	for name, head := range map[string]string{
		"a body that does not come": "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n" + lines + "\r\n",
		"a body that may not come":  "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\nExpect: 100-continue\r\n" + lines + "\r\n",
		"trailers":                  "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + lines + "\r\n",
	} {
		c := s.dial() // stays open
		io.WriteString(c, head)
		if a := readAnswer(t, bufio.NewReader(c), "POST"); a.status != 431 || a.reason() != "headers_too_large" || a.header.Get("Connection") != "close" {
			t.Errorf("%s, with 3800 lines = %d %q; want 431, headers_too_large, and the end", name, a.status, a.body)
		}
	}
}

// Requests that come byte by byte are answered as others are.
func TestRequestsInCrumbs(t *testing.T) {
	t.Parallel()
	plain, encrypted := start(t), overTLS(t, patience)
	lines := strings.Repeat("a:\r\n", 98) // and Host: as many as may be
	post := "POST /metrics HTTP/1.1\r\nHost: a\r\n"
	for name, req := range map[string]string{
		"a head":   "GET /livez HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n",
		"a body":   post + "Content-Length: 300\r\n\r\n" + fmt.Sprintf("%300d", 1),
		"chunks":   post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n1\r\n", 100) + "0\r\n\r\n",
		"trailers": post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("b: c\r\n", 80) + "\r\n",
	} {
		for wire, s := range map[string]*testServer{"plain": plain, "TLS": encrypted} {
			t.Run(name+" "+wire, func(t *testing.T) {
				var c net.Conn = s.dial()
				if wire == "TLS" {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				br := bufio.NewReader(c)
				for range 2 { // the second one on the same connection
					for i := range len(req) {
						io.WriteString(c, req[i:i+1])
					}
					if a := readAnswer(t, br, "POST"); a.status != 200 {
						t.Errorf("answer = %d %q; want 200", a.status, a.body)
					}
				}
			})
		}
	}
}

// Cookies of a request whose trailers are counted are not kept apart.
func TestChunkedBodiesKeepNoCookies(t *testing.T) {
	const conns, most = 200, 80 << 10
	s := start(t)
	before := heap()
	for range conns {
		c := s.dial()
		io.WriteString(c, "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nCookie: "+strings.Repeat("a;", 3900)+"\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
		if a := readAnswer(t, bufio.NewReader(c), "POST"); a.status != 200 || a.header.Get("Connection") != "close" {
			t.Fatalf("answer = %d %q; want 200, and the end", a.status, a.body)
		}
	}
	runtime.GC()
	if grown := (heap() - before) / conns; grown > most {
		t.Errorf("%d bytes are kept for each connection; want %d at most", grown, most)
	}
}

// A query is looked through for a ticket before a body is there.
func TestAwaitedBodiesKeepNoParameters(t *testing.T) {
	const conns, most = 200, 96 << 10 // with the body's buffer
	path := filepath.Join(t.TempDir(), "access.toml")
	if err := os.WriteFile(path, []byte("[anonymous]\nroles = [\"publish\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gate, err := access.Open(access.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gate.Close)
	s := start(t, func(o *setup) { o.Gate, o.ReadTimeout = gate, patience })
	before := heap()
	for range conns {
		io.WriteString(s.dial(), "POST /api/events?xtoken=&"+strings.Repeat("a&", 3900)+" HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 9000))
	}
	testkit.Eventually(t, "all bodies are awaited", func() bool { return s.gather()["dispatcher_bodies_bytes"] >= conns*16<<10 })
	runtime.GC()
	if grown := (heap() - before) / conns; grown > most {
		t.Errorf("%d bytes are kept for each connection; want %d at most", grown, most)
	}
}
