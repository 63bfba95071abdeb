package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
)

// Peers that ask for large answers and read nothing are in the budget for bodies: what is
// over it is refused, and what they had is free when they have left.
func TestAnswersThatNobodyReadsAreInTheBudget(t *testing.T) {
	t.Parallel()
	const budget, large = 8 << 20, 1 << 20
	s := start(t, withSessions(t, screens.HubOptions{}, session.ServiceOptions{}), func(o *setup) {
		o.BodiesBytes, o.MaxBody = budget, large
	})
	s.post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u","cardId":"c","data":"%s"}`, strings.Repeat("x", large/2)))
	ask := request("GET", "/poc/replay_event_data/u", "")
	var all []net.Conn
	for range 4 * budget / (large / 2) {
		c := s.dial()
		c.SetReadBuffer(4 << 10)
		io.WriteString(c, strings.Repeat(ask, 8))
		all = append(all, c)
	}
	var most float64
	testkit.Eventually(t, "some are refused", func() bool {
		m := s.gather()
		most = max(most, m["dispatcher_bodies_bytes"])
		return m["dispatcher_requests_rejected_total{bodies}"] > 0
	})
	if limit := s.gather()["dispatcher_bodies_bytes_max"]; most < large/2 || most > limit {
		t.Errorf("dispatcher_bodies_bytes = %v; want some, and %v at most", most, limit)
	}
	for _, c := range all {
		c.Close()
	}
	testkit.Eventually(t, "all is given back", func() bool { return s.gather()["dispatcher_bodies_bytes"] == 0 })
	if a := s.send(ask); a.status != 200 || len(a.body) < large/2 {
		t.Errorf("replay afterwards = %d, %d bytes; want 200 and the event", a.status, len(a.body))
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
		{"a long path", "/" + strings.Repeat("x", 15_000), "HTTP/1.1 404"},
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
}
