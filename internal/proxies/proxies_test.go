//go:build linux

package proxies

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"event-dispatcher/internal/testkit"
)

// visitor is the clients' address; the proxies have 127.0.0.1.
var visitor = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}

// client comes from visitor. It has no time limit: streams have no end.
func client(t testing.TB) *http.Client {
	dialer := net.Dialer{LocalAddr: visitor}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// each runs a test for every proxy, in front of a service with the given flags.
func each(t *testing.T, test func(t *testing.T, s *service, p *proxy), flags ...string) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, flags...)
			test(t, s, k.in(t, s))
		})
	}
}

// post returns the status and the first word of the answer.
func (p *proxy) post(c *http.Client, path, body string, header ...string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest("POST", "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	word, _, _ := strings.Cut(string(text), ":")
	return resp.StatusCode, word
}

// A stream is an open one over Server-Sent Events.
type stream struct {
	t  testing.TB
	br *bufio.Reader
	io.Closer
}

// listen opens a stream and reads its opening comment, which comes before any event.
func listen(t testing.TB, c *http.Client, addr string) *stream {
	t.Helper()
	resp, err := c.Get("http://" + addr + "/event-dispatcher")
	if err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(testkit.Patience, func() { resp.Body.Close() })
	t.Cleanup(func() {
		limit.Stop()
		resp.Body.Close()
	})
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream; charset=utf-8" {
		t.Fatalf("GET /event-dispatcher = %d, Content-Type %q; want 200 text/event-stream; charset=utf-8", resp.StatusCode, got)
	}
	s := &stream{t: t, br: bufio.NewReaderSize(resp.Body, 512<<10), Closer: resp.Body}
	if line, err := s.br.ReadString('\n'); line != ": connected\n" {
		t.Fatalf("the stream begins with %q, %v; want a comment", line, err)
	}
	return s
}

// event returns the data of the next event, passing over comments.
func (s *stream) event() string {
	s.t.Helper()
	for {
		line, err := s.br.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the stream = %q, %v; want an event", line, err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSuffix(data, "\n")
		}
		if line != "\n" && line[0] != ':' {
			s.t.Fatalf("the stream = %q; want an event", line)
		}
	}
}

// Each event must arrive before the next one is posted: a proxy that waits for its
// buffer to fill delivers none.
func TestStreamIsNotBuffered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service, p *proxy) {
		c := client(t)
		stream := listen(t, c, p.addr)
		for i := range 200 {
			body := fmt.Sprintf(`{"n":%d}`, i)
			if i%50 == 0 {
				body = fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", 200<<10))
			}
			if status, reason := p.post(c, "/metrics", body); status != 200 {
				t.Fatalf("POST %d = %d %s; want 200", i, status, reason)
			}
			if got := stream.event(); got != body {
				t.Fatalf("event %d = %.80q; want %.80q", i, got, body)
			}
		}
	})
}

// Some proxies notice only when they write that a consumer has left.
func TestKeepAlivesComeThroughAndFindWhoLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service, p *proxy) {
		stream := listen(t, client(t), p.addr)
		for _, want := range []string{":\n", ":\n", ":\n"} {
			if line, err := stream.br.ReadString('\n'); line != want {
				t.Fatalf("a silent stream = %q, %v; want %q", line, err, want)
			}
		}
		stream.Close()
		testkit.Eventually(t, "the consumer is gone", func() bool { return s.Sum("dispatcher_consumers", "wire=") == 0 })
	}, "-keep-alive", "50ms")
}

func TestEventsOfManyPlayersArrive(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *service, p *proxy) {
		const players, events = 8, 100
		c := client(t)
		stream := listen(t, c, p.addr)
		var playing sync.WaitGroup
		for player := range players {
			playing.Go(func() {
				for n := range events {
					if status, reason := p.post(c, "/metrics", fmt.Sprintf(`{"player":%d,"n":%d}`, player, n)); status != 200 {
						t.Errorf("POST = %d %s; want 200", status, reason)
					}
				}
			})
		}
		next := map[int]int{}
		for range players * events {
			var player, n int
			fmt.Sscanf(stream.event(), `{"player":%d,"n":%d}`, &player, &n)
			if n != next[player] {
				t.Errorf("event of player %d = %d; want %d", player, n, next[player])
			}
			next[player] = n + 1
		}
		playing.Wait()
	})
}

// A page that closes sends its last event and is gone before the answer.
func TestLastEventOfAPageThatClosesArrives(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *service, p *proxy) {
		const pages = 100
		stream := listen(t, client(t), p.addr)
		for _, path := range []string{"/metrics", "/api/events"} {
			for page := range pages {
				conn, err := net.Dial("tcp", p.addr)
				if err != nil {
					t.Fatal(err)
				}
				body := fmt.Sprintf(`{"page":%d,"text":%q}`, page, strings.Repeat("x", 1000))
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
				conn.Close()
			}
			arrived := map[int]bool{}
			for range pages {
				var page int
				fmt.Sscanf(stream.event(), `{"page":%d,`, &page)
				arrived[page] = true
			}
			if len(arrived) != pages {
				t.Errorf("%s: the events of %d pages arrived; want %d", path, len(arrived), pages)
			}
		}
	})
}

func TestRefusalsComeThrough(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *service, p *proxy) {
		c := client(t)
		for _, tt := range []struct {
			name, body string
			header     []string
			status     int
			reason     string
		}{
			{"too large", `"` + strings.Repeat("x", 300<<10) + `"`, nil, 413, "too_large"},
			{"too large, and asking", `"` + strings.Repeat("x", 300<<10) + `"`, []string{"Expect", "100-continue"}, 413, "too_large"},
			{"the largest", `"` + strings.Repeat("x", 256<<10-2) + `"`, nil, 200, ""},
			{"no JSON", "{", nil, 400, "invalid_json"},
			{"compressed", "{}", []string{"Content-Encoding", "br"}, 415, "content_encoding"},
		} {
			if status, reason := p.post(c, "/metrics", tt.body, tt.header...); status != tt.status || reason != tt.reason {
				t.Errorf("%s = %d %q; want %d %q", tt.name, status, reason, tt.status, tt.reason)
			}
		}
	})
}

// What the visitor says about himself is not believed, what the proxy adds is.
func TestClientIsTheOneBehindTheProxy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *service, p *proxy) {
		c := client(t)
		stream := listen(t, c, p.addr)
		for _, forwarded := range [][]string{
			nil,
			{"X-Forwarded-For", "198.51.100.7"},
			{"X-Forwarded-For", "198.51.100.7, 203.0.113.9"},
			{"X-Forwarded-For", "198.51.100.7", "X-Forwarded-For", "203.0.113.9"},
			{"X-Forwarded-For", "127.0.0.1"},
			{"X-Forwarded-For", "garbage"},
		} {
			p.post(c, "/api/events", `{"a":1}`, forwarded...)
			if got, want := stream.event(), `{"a":1,"user_ip":"127.0.0.2"}`; got != want {
				t.Errorf("the event with %q = %s; want %s", forwarded, got, want)
			}
		}
	})
}

func TestWebSocketsComeThrough(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service, p *proxy) {
		c := client(t)
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		// As a page of the same host does, port included.
		own := http.Header{"Origin": {"http://" + p.addr}}
		dial := func(path string, header http.Header) (*websocket.Conn, error) {
			ws, _, err := websocket.Dial(ctx, "ws://"+p.addr+path, &websocket.DialOptions{HTTPClient: c, HTTPHeader: header})
			if err == nil {
				ws.SetReadLimit(1 << 20)
				t.Cleanup(func() { ws.CloseNow() })
			}
			return ws, err
		}
		firehose, err := dial("/event-dispatcher", own)
		if err != nil {
			t.Fatal(err)
		}
		screen, err := dial("/ws/myPracticeId/alice", own)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dial("/ws/myPracticeId/eve", http.Header{"Origin": {"http://elsewhere.example"}}); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("a session socket of another origin = %v; want 403", err)
		}
		for i := range 50 {
			want := fmt.Sprintf(`{"n":%d}`, i)
			p.post(c, "/metrics", want)
			if _, got, err := firehose.Read(ctx); err != nil || string(got) != want {
				t.Fatalf("frame %d = %q, %v; want %q", i, got, err, want)
			}
		}
		p.post(c, "/poc/submit_update_event", `{"username":"alice","cardId":"id_123"}`)
		if _, got, err := screen.Read(ctx); err != nil || !strings.Contains(string(got), `"targetId":"id_123"`) {
			t.Errorf("the session event = %q, %v; want the card's", got, err)
		}
		for _, ws := range []*websocket.Conn{firehose, screen} {
			if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close() = %v; want nil", err)
			}
		}
		testkit.Eventually(t, "the sockets are gone", func() bool {
			return s.Sum("dispatcher_consumers", "websocket") == 0 && s.Metric("dispatcher_session_sockets") == 0
		})
	})
}

// A drain looks the same from behind a proxy: retry, then a clean end.
func TestDrainComesThrough(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service, p *proxy) {
		c := client(t)
		stream := listen(t, c, p.addr)
		p.post(c, "/metrics", "1")
		s.Cmd.Process.Signal(syscall.SIGTERM)
		text, err := io.ReadAll(stream.br)
		if want := regexp.MustCompile(`^data: 1\n\nretry: \d+\n$`); err != nil || !want.Match(text) {
			t.Errorf("the stream = %q, %v; want %v and the end", text, err, want)
		}
		if code := s.Wait(); code != 0 {
			t.Errorf("exit code = %d; want 0", code)
		}
	})
}

// An instance that is told to end has its lead until the balancer looks elsewhere,
// and until then serves what it is sent: no player notices.
func TestBalancerLooksElsewhereDuringTheLead(t *testing.T) {
	t.Parallel()
	leaving := serve(t, "-drain-lead", "1h", "-drain-timeout", "2h")
	staying := serve(t)
	k := kinds[1]
	two := "server one " + leaving.addr + " check"
	p := k.in(t, leaving, [2]string{"default-server inter 1s fall 2 rise 1", "timeout check 75s\ndefault-server inter 50ms"}, [2]string{two, two + "\nserver two " + staying.addr + " check"})
	c := client(t)
	play := func() {
		t.Helper()
		if status, reason := p.post(c, "/metrics", "{}"); status != 200 {
			t.Fatalf("POST = %d %s; want 200", status, reason)
		}
	}
	testkit.Eventually(t, "both instances get events", func() bool {
		play()
		return leaving.received() > 0 && staying.received() > 0
	})
	leaving.Cmd.Process.Signal(syscall.SIGTERM)
	testkit.Eventually(t, "haproxy looks elsewhere", func() bool {
		play()
		return strings.Contains(p.Log.String(), "Server dispatcher/one is DOWN")
	})
	before, elsewhere := leaving.received(), staying.received()
	for range 100 {
		play()
	}
	if got := staying.received() - elsewhere; got != 100 || leaving.received() != before {
		t.Errorf("of 100 events %d went to the instance that stays, %d to the one that leaves; want all to the former", got, leaving.received()-before)
	}
}

// The proxy's connections are nobody's, the streams in them the visitors'.
func TestStreamsOfAClientAreLimited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service, p *proxy) {
		c := client(t)
		first := listen(t, c, p.addr)
		listen(t, c, p.addr)
		resp, err := c.Get("http://" + p.addr + "/events")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 429 {
			t.Errorf("a third stream = %d; want 429", resp.StatusCode)
		}
		for range 10 {
			if status, reason := p.post(c, "/metrics", "{}"); status != 200 {
				t.Errorf("POST = %d %s; want 200", status, reason)
			}
		}
		listen(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, p.addr) // from 127.0.0.1, the proxy's own
		first.Close()
		testkit.Eventually(t, "a stream has ended", func() bool { return s.Metric("dispatcher_client_connections_max") == 1 })
		listen(t, c, p.addr)
	}, "-client-connections", "2", "-keep-alive", "50ms")
}
