package transport

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
)

// behind is a server whose only proxy is this host.
func behind(limit int) func(*setup) {
	return func(o *setup) {
		o.ClientConnections = limit
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
}

// hold opens a connection and has it answer, so that it is counted.
func (s *testServer) hold() (*net.TCPConn, *bufio.Reader) {
	s.t.Helper()
	c := s.dial()
	br := bufio.NewReader(c)
	io.WriteString(c, request("GET", "/livez", ""))
	if a := readAnswer(s.t, br, "GET"); a.status != 200 {
		s.t.Fatalf("GET /livez = %d %q; want 200", a.status, a.body)
	}
	return c, br
}

// holds waits until so many clients hold places, the busiest so many.
func (s *testServer) holds(clients, most int) {
	s.t.Helper()
	testkit.Eventually(s.t, fmt.Sprintf("%d clients hold up to %d connections", clients, most), func() bool {
		m := s.gather()
		return m["dispatcher_clients"] == float64(clients) && m["dispatcher_client_connections_max"] == float64(most)
	})
}

func TestConnectionsOfAClientAreLimited(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.ClientConnections = 4 })
	// Whatever they are for.
	idle, _ := s.hold()
	consumer := s.listen("/events")
	firehose := s.upgrade("/events")
	socket := s.upgrade("/ws/p/u")
	s.holds(1, 4)
	for i := range 5 {
		// What a client says about itself is of no matter.
		a, rest := sendTo(t, s.addr, request("POST", "/metrics", "{}", "X-Forwarded-For: 198.51.100.7"))
		if a.status != 429 || a.reason() != "client_connections" || a.header.Get("Retry-After") == "" || a.header.Get("Access-Control-Allow-Origin") != "*" || rest != "" {
			t.Errorf("connection %d over the limit = %d %q %v, then %q; want 429 and the end", i, a.status, a.body, a.header, rest)
		}
	}
	if got := s.gather()["dispatcher_requests_rejected_total{client_connections}"]; got != 5 {
		t.Errorf("connections refused = %v; want 5", got)
	}
	for _, c := range []net.Conn{idle, consumer.conn, firehose.conn, socket.conn} {
		c.Close()
		s.holds(1, 3)
		_, _ = s.hold()
		s.holds(1, 4)
	}
}

func TestStreamsBehindAProxyAreTheClients(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), behind(3))
	for range 10 {
		s.hold() // the proxy's, and so nobody's
	}
	s.holds(0, 0)
	for i, client := range []string{"198.51.100.1", "2001:db8::1"} {
		header := "X-Forwarded-For: " + client
		open := []*consumer{s.listen("/events", header), s.upgrade("/events", header), s.upgrade("/ws/p/u", header)}
		s.holds(i+1, 3)
		if i == 1 {
			header = "X-Forwarded-For: 2001:db8::ffff" // in the same /64
		}
		conn, br := s.hold()
		for _, tt := range []struct {
			path    string
			headers []string
			status  int
			reason  string
		}{
			{"/events", nil, 429, "client_connections"},
			{"/event-dispatcher", []string{"Accept: text/event-stream"}, 200, ""}, // no other status has it come again
			{"/events", []string{upgradeHeaders}, 429, "client_connections"},
			{"/ws/p/u", []string{upgradeHeaders}, 429, "client_connections"},
		} {
			c, r := conn, br
			if tt.status == 200 { // this answer ends its connection
				c = s.dial()
				r = bufio.NewReader(c)
			}
			io.WriteString(c, request("GET", tt.path, "", append([]string{header}, tt.headers...)...))
			a := readAnswer(t, r, "GET")
			if a.status != tt.status || a.reason() != tt.reason && tt.status != 200 || tt.status == 200 && !strings.HasPrefix(a.body, "retry: ") {
				t.Errorf("GET %s %q over the limit = %d %q; want %d %q", tt.path, tt.headers, a.status, a.body, tt.status, tt.reason)
			}
		}
		// The proxy's connection serves others, and the client's events.
		for _, header := range []string{header, "X-Forwarded-For: 203.0.113.9"} {
			io.WriteString(conn, request("POST", "/metrics", "{}", header))
			if a := readAnswer(t, br, "POST"); a.status != 200 {
				t.Errorf("POST with %s = %d %q; want 200", header, a.status, a.body)
			}
		}
		io.WriteString(conn, request("GET", "/events?shards=99", "", "X-Forwarded-For: 203.0.113.9"))
		if a := readAnswer(t, br, "GET"); a.status != 400 {
			t.Errorf("GET of a shard that is not = %d %q; want 400", a.status, a.body)
		}
		s.holds(i+1, 3) // a refused stream takes no place
		open[i].conn.Close()
		testkit.Eventually(t, "the place is free again", func() bool {
			clients, _ := s.clients.Stats()
			return clients == i+1 && s.clients.Held(netip.MustParseAddr(client)) == 2
		})
		s.listen("/events", header)
	}
}

// Connections of all kinds come and go, some of them in the middle of what they do,
// and some cut by the drain: the table is empty in the end.
func TestPlacesAreGivenBackOnce(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(*setup){"direct": func(o *setup) { o.ClientConnections = 20 }, "proxied": behind(5)} {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,portable=%v", name, portable), func(t *testing.T) {
				t.Parallel()
				s := start(t, withSessions(t, screens.HubOptions{}), withPool(stream.Options{Portable: portable}), kind, func(o *setup) { o.pool.Portable = portable })
				var visits sync.WaitGroup
				for visitor := range 16 {
					visits.Go(func() {
						header := fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", visitor%4)
						for i := range 60 {
							c, err := net.Dial("tcp", s.addr)
							if err != nil {
								t.Error(err)
								return
							}
							path := []string{"/events", "/livez", "/events", "/ws/p/u", "/events?shards=9"}[i%5]
							headers := []string{header}
							if i%5 > 1 {
								headers = append(headers, upgradeHeaders)
							}
							io.WriteString(c, request("GET", path, "", headers...))
							switch (i + visitor) % 3 {
							case 0:
								c.(*net.TCPConn).SetLinger(0) // a reset, perhaps before the answer
							case 1:
								c.Read(make([]byte, 1))
							}
							c.Close()
						}
					})
				}
				visits.Wait()
				s.holds(0, 0)
				for range 5 {
					s.dial()
					s.listen("/events", "X-Forwarded-For: 198.51.100.1")
				}
				now, cancel := context.WithCancel(t.Context())
				cancel()
				s.Drain(now) // cuts what has not ended
				s.pool.Drain(t.Context(), 0, 0)
				testkit.Eventually(t, "the table is empty", func() bool {
					clients, _ := s.clients.Stats()
					return clients == 0
				})
			})
		}
	}
}

// A flood, from one address and from many, is refused above the caps, and others
// notice nothing.
func TestFloodOfConsumersLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	const limit, consumers, control, events = 10, 60, 5, 200
	s := start(t, behind(limit), func(o *setup) { o.pool.MaxConsumers = consumers })
	healthy := make([]*consumer, control)
	for i := range healthy {
		healthy[i] = s.listen("/events", fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i))
	}
	// open returns how many of n streams were opened and refused, by reason.
	open := func(n int, client func(i int) string) map[string]int {
		outcomes := make(chan string, n)
		var opening sync.WaitGroup
		slots := make(chan struct{}, 50)
		for i := range n {
			slots <- struct{}{}
			opening.Go(func() {
				defer func() { <-slots }()
				c, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(patience))
				br := bufio.NewReader(c)
				io.WriteString(c, request("GET", "/events", "", "X-Forwarded-For: "+client(i)))
				status, err := br.ReadString('\n')
				if err != nil {
					t.Errorf("stream %d: %v; want an answer", i, err)
				}
				for line := status; err == nil && line != "\r\n"; {
					line, err = br.ReadString('\n')
				}
				if strings.Contains(status, " 200 ") {
					outcomes <- "open"
					return
				}
				reason, _ := br.ReadString(':')
				outcomes <- reason
			})
		}
		opening.Wait()
		close(outcomes)
		count := map[string]int{}
		for o := range outcomes {
			count[o]++
		}
		return count
	}
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		if got := open(300, func(int) string { return "198.51.100.1" }); got["open"] != limit || got["client_connections:"] != 300-limit {
			t.Errorf("of a flood from one client %v; want %d open, the others refused", got, limit)
		}
		if got := open(300, func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/100, i%100) }); got["open"] != consumers-control-limit || got["consumers:"] != 300-got["open"] {
			t.Errorf("of a flood from many clients %v; want %d open, the others refused", got, consumers-control-limit)
		}
	}()
	defer func() { <-flooded }() // also when the test ends early
	for n := 0; n < events || !closed(flooded); n++ {
		want := fmt.Sprintf(`{"n":%d}`, n)
		s.post("/metrics", want, "X-Forwarded-For: 203.0.113.1")
		for i, c := range healthy {
			if got := c.event(); got != want {
				t.Fatalf("event of healthy consumer %d = %s; want %s", i, got, want)
			}
		}
	}
	m := s.gather()
	if m["dispatcher_client_connections_max"] != limit || m["dispatcher_consumers"] != consumers ||
		m["dispatcher_requests_rejected_total{client_connections}"] != 300-limit {
		t.Errorf("most of a client %v, consumers %v, refused %v; want %d, %d, %d", m["dispatcher_client_connections_max"], m["dispatcher_consumers"],
			m["dispatcher_requests_rejected_total{client_connections}"], limit, consumers, 300-limit)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
