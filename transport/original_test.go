package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/stream"
)

// What the service that this one replaces got wrong. A failed listen is a test
// of the program.

func TestStalledConsumerBlocksNobody(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			t.Parallel()
			const events, batch = 4000, 100
			s := start(t, func(o *setup) {
				o.pool = stream.Options{Portable: portable}
				o.MaxBody = 4 << 10
				o.broker.MaxEvent, o.broker.Bytes = 4<<10+ingest.MaxAddedBytes, 1<<20
			})
			healthy, stalled := s.listen("/events"), s.listen("/event-dispatcher")
			stalled.conn.SetReadBuffer(32 << 10)
			for range events / batch {
				s.flood(batch, 1000) // far less than the ring holds
				for n := range batch {
					if got, want := healthy.event(), fmt.Sprintf(`{"n":%d,`, n); !strings.HasPrefix(got, want) {
						t.Fatalf("the healthy consumer gets %.20s; want %s", got, want)
					}
				}
				if a := s.send(request("GET", "/health", "")); a.status != 200 {
					t.Fatalf("GET /health beside a stalled consumer = %d; want 200", a.status)
				}
			}
			s.post("/metrics", `"last"`)
			received, skipped := uint64(0), uint64(0)
			for {
				b := stalled.block()
				var told uint64
				if n, _ := fmt.Sscanf(b, ": skipped %d", &told); n == 1 {
					skipped += told
					continue
				}
				if !strings.HasPrefix(b, "data: ") {
					continue
				}
				received++
				if strings.Contains(b, `"last"`) {
					break
				}
			}
			if received+skipped != events+1 {
				t.Errorf("the stalled consumer received %d and was told of %d skipped; want %d in all", received, skipped, events+1)
			}
			// Without TCP_NOTSENT_LOWAT the kernel may take it all.
			if skipped == 0 && !portable {
				t.Errorf("the stalled consumer skipped nothing: it did not stall")
			}
		})
	}
}

func TestThousandConsumersLeaveDuringABroadcast(t *testing.T) {
	t.Parallel()
	const leaving = 1000
	s := start(t)
	stays := s.listen("/events")
	var open sync.WaitGroup
	var conns [leaving]net.Conn
	for i := range conns {
		open.Go(func() {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = c
			io.WriteString(c, request("GET", "/events", ""))
			br := bufio.NewReader(c)
			for line := ""; line != ": connected\n"; {
				if line, err = br.ReadString('\n'); err != nil {
					t.Errorf("opening stream %d: %v", i, err)
					return
				}
			}
		})
	}
	open.Wait()
	if t.Failed() {
		return
	}
	var published atomic.Int64
	stop := make(chan struct{})
	var publishing, gone sync.WaitGroup
	publishing.Go(func() {
		conn := s.dial()
		br := bufio.NewReader(conn)
		for {
			select {
			case <-stop:
				return
			default:
			}
			io.WriteString(conn, request("POST", "/metrics", fmt.Sprint(published.Load())))
			if a := readAnswer(t, br, "POST"); a.status != 200 {
				t.Errorf("POST while consumers leave = %d; want 200", a.status)
				return
			}
			published.Add(1)
		}
	})
	testkit.Eventually(t, "the broadcast is under way", func() bool { return published.Load() > 10 })
	for i, c := range conns {
		gone.Go(func() {
			switch i % 3 { // unread bytes make it a reset anyway, now and then
			case 0:
				c.(*net.TCPConn).SetLinger(0)
			case 1:
				c.(*net.TCPConn).CloseWrite()
			}
			c.Close()
		})
	}
	gone.Wait()
	testkit.Eventually(t, "all that left are noticed", func() bool { return s.gather()["dispatcher_consumers"] == 1 })
	close(stop)
	publishing.Wait()
	for i := range published.Load() {
		if got := stays.event(); got != fmt.Sprint(i) {
			t.Fatalf("event %d of the one that stays = %s", i, got)
		}
	}
	if m := s.gather(); m["dispatcher_panics_total"] != 0 {
		t.Errorf("panics = %v; want 0", m["dispatcher_panics_total"])
	}
}

func TestHeadersComeBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/event-dispatcher") // reads the head and a comment, or fails
	if got := s.gather()["dispatcher_events_published_total"]; c.head.status != 200 || got != 0 {
		t.Errorf("status = %d with %v events published; want 200 with none", c.head.status, got)
	}
}

func TestPrettyPrintedEventStaysOneDataLine(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	for _, end := range []string{"\n", "\r", "\r\n", "\n\r", "\n\n", "\r\n\r\n"} {
		for _, path := range []string{"/metrics", "/api/events"} {
			body := strings.ReplaceAll("{|  \"a\": [|1,|2|]|}|", "|", end)
			want := strings.ReplaceAll(body, end, strings.Repeat(" ", len(end)))
			if path == "/api/events" {
				i := strings.LastIndexByte(want, '}')
				want = want[:i] + `,"user_ip":"127.0.0.1"` + want[i:]
			}
			s.post(path, body)
			if got := c.block(); got != "data: "+want+"\n\n" {
				t.Errorf("POST %s %q gives the block %q; want %q on one data line", path, body, got, want)
			}
		}
	}
}

func TestNullIsAnEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	s.post("/metrics", "null")
	if got := c.block(); got != "data: null\n\n" {
		t.Errorf("the block for null = %q; want data: null", got)
	}
	if a := s.send(request("POST", "/api/events", "null")); a.status != 400 || a.reason() != "not_object" {
		t.Errorf("POST /api/events null = %d %q; want 400 not_object", a.status, a.body)
	}
}

func TestInvalidMegabyteGetsAShortAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) {
		o.MaxBody = 2 << 20
		o.broker.MaxEvent, o.broker.Bytes = 2<<20+ingest.MaxAddedBytes, 128<<20
	})
	for _, body := range []string{strings.Repeat("x", 1<<20), `"` + strings.Repeat("<", 1<<20), strings.Repeat("\xff", 1<<20), strings.Repeat("[", 1<<20)} {
		a := s.send(request("POST", "/metrics", body))
		if a.status != 400 || len(a.body) > 100 {
			t.Errorf("POST of 1 MiB of %q... = %d and %d bytes; want 400 and a line", body[:2], a.status, len(a.body))
		}
	}
}

func TestSilentStreamIsKeptAlive(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		s := start(t, func(o *setup) { o.pool = stream.Options{KeepAlive: 50 * time.Millisecond, Portable: portable} })
		c := s.listen("/events")
		for range 3 {
			if got := c.block(); got != ":\n" {
				t.Errorf("a silent stream carries %q; want an empty comment", got)
			}
		}
		s.post("/metrics", "1")
		if got := c.event(); got != "1" {
			t.Errorf("event = %q; want 1", got)
		}
	}
}

func TestEventOfAPageThatUnloadsIsDelivered(t *testing.T) {
	t.Parallel()
	const pages = 100
	s := start(t)
	c := s.listen("/events")
	for i := range pages {
		conn := s.dial()
		io.WriteString(conn, request("POST", "/metrics", fmt.Sprint(i)))
		conn.Close() // without a look at the answer
		if got := c.event(); got != fmt.Sprint(i) {
			t.Fatalf("event = %s; want %d", got, i)
		}
	}
	for name, v := range s.gather() {
		if strings.HasPrefix(name, "dispatcher_requests_rejected_total") && v != 0 {
			t.Errorf("%s = %v after pages unloaded; want 0: it is no error", name, v)
		}
	}
}

func TestClientThatResetsAfterItsBodyHarmsNobody(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	for i := range 300 {
		conn := s.dial()
		req := request("POST", "/metrics", `"reset"`)
		io.WriteString(conn, req[:len(req)-i%len(req)]) // whole, or cut anywhere
		conn.SetLinger(0)
		conn.Close()
	}
	s.send(request("GET", "/livez", "")) // accepted after all of them
	testkit.Eventually(t, "the connections are gone", func() bool { return s.public.Connections() == 0 })
	s.post("/metrics", `"after"`)
	delivered := 0
	for got := c.event(); got != `"after"`; got = c.event() {
		if delivered++; got != `"reset"` {
			t.Fatalf("event = %s; want a whole one", got)
		}
	}
	m := s.gather()
	if got := m["dispatcher_events_published_total"]; int(got) != delivered+1 || m["dispatcher_panics_total"] != 0 {
		t.Errorf("published, panics = %v, %v; want the %d delivered, 0", got, m["dispatcher_panics_total"], delivered+1)
	}
	if got := m["dispatcher_requests_rejected_total{malformed}"]; got != 0 {
		t.Errorf("malformed requests = %v; want 0: clients that vanish are counted as incomplete", got)
	}
}
