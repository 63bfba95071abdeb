package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
)

// withSessions gives a server a hub on an in-memory store.
func withSessions(t testing.TB, o screens.HubOptions, so ...session.ServiceOptions) func(*setup) {
	service := session.NewService(append(so, session.ServiceOptions{})[0])
	h := screens.NewHub(o, service)
	t.Cleanup(func() {
		h.Close()
		service.Close()
	})
	store := session.NewMemory(session.Options{})
	service.Tie(store, h, func(session.Event) {})
	return func(s *setup) {
		s.Sessions, s.Screens, s.SessionStore = service, h, screens.Store{Memory: store.Stats}
	}
}

// Submissions that wait, as for Redis, leave the decoders of compressed bodies to others.
func TestSubmissionsThatWaitHoldNoDecoders(t *testing.T) {
	t.Parallel()
	service := session.NewService(session.ServiceOptions{})
	h := screens.NewHub(screens.HubOptions{}, service)
	t.Cleanup(func() {
		h.Close()
		service.Close()
	})
	var waiting atomic.Int32
	over := make(chan struct{})
	service.Tie(session.NewMemory(session.Options{}), h, func(session.Event) {
		waiting.Add(1)
		<-over
	})
	s := start(t, func(s *setup) { s.Sessions, s.Screens = service, h })
	post := func(path, body string) int {
		return s.send(request("POST", path, gzipped(t, body), isGzip)).status
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer close(over)
	most := runtime.GOMAXPROCS(0)
	for n := range most {
		all.Go(func() { post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u%d","cardId":"c"}`, n)) })
	}
	testkit.Eventually(t, "all submissions wait", func() bool { return waiting.Load() == int32(most) })
	if status := post("/metrics?batch=array", "[1,2]"); status != 200 {
		t.Errorf("a batch is answered %d while submissions wait; want 200", status)
	}
}

func TestSubmitAnswersWithTheStatusOfTheContract(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.MaxBody = 4096 })
	long := strings.Repeat("x", 257)
	for _, tt := range []struct {
		name, body string
		headers    []string
		status     int
		reason     string
	}{
		{"the sample", "{\n  \"username\" : \"alice\",\n  \"cardId\" : \"id_123\",\n  \"data\" : \"this card's subtitle is different now!\"\n}", nil, 200, ""},
		{"no data", `{"username":"a","cardId":"c"}`, nil, 200, ""},
		{"everything", `{"username":"a","cardId":"c","data":"","practiceId":"p","action":"VIEWING_CARD","type":"DATA_NOTIFICATION_EVENT","targetUser":"b"}`, nil, 200, ""},
		{"nulls", `{"username":"a","cardId":"c","data":null,"practiceId":null,"action":null,"type":null,"targetUser":null}`, nil, 200, ""},
		{"unknown members", `{"username":"a","cardId":"c","x":{"y":[1]}}`, nil, 200, ""},
		{"256 bytes", `{"username":"` + long[1:] + `","cardId":"` + long[1:] + `"}`, nil, 200, ""},
		{"no username", `{"cardId":"c"}`, nil, 400, "username"},
		{"empty username", `{"username":"","cardId":"c"}`, nil, 400, "username"},
		{"null username", `{"username":null,"cardId":"c"}`, nil, 400, "username"},
		{"number as username", `{"username":1,"cardId":"c"}`, nil, 400, "username"},
		{"257 bytes of username", `{"username":"` + long + `","cardId":"c"}`, nil, 400, "username"},
		{"no card", `{"username":"a"}`, nil, 400, "card_id"},
		{"object as card", `{"username":"a","cardId":{}}`, nil, 400, "card_id"},
		{"number as data", `{"username":"a","cardId":"c","data":1}`, nil, 400, "data"},
		{"long practice", `{"username":"a","cardId":"c","practiceId":"` + long + `"}`, nil, 400, "practice_id"},
		{"unknown action", `{"username":"a","cardId":"c","action":"USER_LOGOUT"}`, nil, 400, "action"},
		{"empty action", `{"username":"a","cardId":"c","action":""}`, nil, 400, "action"},
		{"unknown type", `{"username":"a","cardId":"c","type":"x"}`, nil, 400, "type"},
		{"list as target", `{"username":"a","cardId":"c","targetUser":[]}`, nil, 400, "target_user"},
		{"an array", `[]`, nil, 400, "not_object"},
		{"null", `null`, nil, 400, "not_object"},
		{"not JSON", `{"username":`, nil, 400, "invalid_json"},
		{"deep", strings.Repeat("[", 2000) + strings.Repeat("]", 2000), nil, 400, "not_object"},
		{"empty", "", nil, 400, "empty_body"},
		{"not UTF-8", "{\"username\":\"\xff\",\"cardId\":\"c\"}", nil, 400, "invalid_utf8"},
		{"too large", `{"username":"a","cardId":"c","data":"` + strings.Repeat("x", 4096) + `"}`, nil, 413, "too_large"},
		{"compressed otherwise", `{}`, []string{"Content-Encoding: br"}, 415, "content_encoding"},
		{"not gzip", `{}`, []string{"Content-Encoding: gzip"}, 400, "content_corrupt"},
		{"gzip", gzipped(t, `{"username":"a","cardId":"c"}`), []string{"Content-Encoding: gzip"}, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.send(request("POST", submitPath, tt.body, tt.headers...))
			if a.status != tt.status || a.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Fatalf("POST %.60q = %d %v; want %d with CORS", tt.body, a.status, a.header, tt.status)
			}
			if tt.status == 200 {
				if id := a.header.Get("X-Event-Id"); len(id) != 36 || a.body != "" {
					t.Errorf("answer = %q, X-Event-Id %q; want no body and a UUID", a.body, id)
				}
				return
			}
			var r struct{ Error, Message string }
			if err := json.Unmarshal([]byte(a.body), &r); err != nil || r.Error != tt.reason || r.Message == "" {
				t.Errorf("answer = %q; want JSON with error %q", a.body, tt.reason)
			}
			if a.header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type = %q; want application/json", a.header.Get("Content-Type"))
			}
		})
	}
}

func TestSessionPathsHaveTheirMethods(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", submitPath, 405, "POST, OPTIONS"},
		{"PUT", submitPath, 405, "POST, OPTIONS"},
		{"OPTIONS", submitPath, 204, "POST, OPTIONS"},
		{"POST", latestPrefix + "alice", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", latestPrefix + "alice", 204, "GET, HEAD, OPTIONS"},
		{"POST", "/ws/p/alice", 405, "GET"},
		{"GET", "/ws/p/alice", 426, ""},
		{"GET", "/ws/p", 404, ""},
		{"GET", "/ws/p/", 400, ""},
		{"GET", "/ws//alice", 400, ""},
		{"GET", "/ws/p/a/b", 400, ""},
		{"GET", "/ws/p/%ff", 400, ""},
		{"GET", "/ws/p/%zz", 400, ""},
		{"GET", latestPrefix, 400, ""},
		{"GET", latestPrefix + strings.Repeat("x", 257), 400, ""},
		{"GET", "/poc/else", 404, ""},
	} {
		a := s.send(request(tt.method, tt.path, ""))
		if a.status != tt.status || a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %.40s = %d, Allow %q; want %d, %q", tt.method, tt.path, a.status, a.header.Get("Allow"), tt.status, tt.allow)
		}
	}
}

func TestLatestEventsOfAUser(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	latest := func(user string) map[string]session.Event {
		t.Helper()
		a := s.send(request("GET", latestPrefix+user, ""))
		var m map[string]session.Event
		if err := json.Unmarshal([]byte(a.body), &m); a.status != 200 || err != nil {
			t.Fatalf("GET %s = %d %s; want 200 and JSON", user, a.status, a.body)
		}
		return m
	}
	if got := latest("nobody"); len(got) != 0 {
		t.Errorf("latest(nobody) = %v; want {}", got)
	}
	s.post(submitPath, `{"username":"a/b c%é","cardId":"1"}`)
	s.post(submitPath, `{"username":"a/b c%é","cardId":"2","practiceId":"Other"}`)
	if got := latest("a%2Fb%20c%25%C3%A9"); len(got) != 1 || got["lastUpdateEvent"].Target != "2" {
		t.Errorf("latest() = %v; want the update of card 2 alone", got)
	}
	s.post(submitPath, `{"username":"a/b c%é","cardId":"3","action":"VIEWING_CARD"}`)
	s.post(submitPath, `{"username":"a/b c%é","cardId":"4","type":"DATA_NOTIFICATION_EVENT"}`) // not stored
	if got := latest("a%2fb%20c%25%c3%a9"); len(got) != 2 || got["lastViewEvent"].Target != "3" || got["lastUpdateEvent"].Target != "2" {
		t.Errorf("latest() = %v; want view of 3 and update of 2", got)
	}
}

const (
	submitPath   = screens.SubmitPath
	latestPrefix = screens.LatestPrefix
)

const upgradeHeaders = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func TestHandshakesAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.SocketOrigins = []string{"https://friend.example"} })
	without := func(header, instead string) string {
		var lines []string
		for line := range strings.SplitSeq(upgradeHeaders, "\r\n") {
			if !strings.HasPrefix(line, header+":") {
				lines = append(lines, line)
			} else if instead != "" {
				lines = append(lines, instead)
			}
		}
		return strings.Join(lines, "\r\n")
	}
	for _, tt := range []struct {
		name, headers string
		status        int
		reason        string
	}{
		{"good", upgradeHeaders, 101, ""},
		{"same origin", upgradeHeaders + "\r\nOrigin: http://test", 101, ""},
		{"listed origin", upgradeHeaders + "\r\nOrigin: https://FRIEND.example", 101, ""},
		{"foreign origin", upgradeHeaders + "\r\nOrigin: https://evil.example", 403, "origin"},
		{"origin of a file", upgradeHeaders + "\r\nOrigin: null", 403, "origin"},
		{"no upgrade", without("Upgrade", ""), 426, "upgrade_required"},
		{"another upgrade", without("Upgrade", "Upgrade: h2c"), 426, "upgrade_required"},
		{"no connection", without("Connection", ""), 426, "upgrade_required"},
		{"version 8", without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426, "websocket_version"},
		{"no key", without("Sec-WebSocket-Key", ""), 400, "handshake"},
		{"the key twice", upgradeHeaders + "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 101, ""},
		{"two keys", upgradeHeaders + "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", 400, "handshake"},
		{"short key", without("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhl"), 400, "handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial()
			io.WriteString(c, request("GET", "/ws/p/u", "", tt.headers))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("handshake = %v, %v; want %d", resp, err, tt.status)
			}
			if tt.status == 101 {
				return
			}
			body, _ := io.ReadAll(resp.Body)
			if reason, _, _ := strings.Cut(string(body), ":"); reason != tt.reason {
				t.Errorf("answer = %q; want %s", body, tt.reason)
			}
			if tt.status == 426 && resp.Header.Get("Upgrade")+resp.Header.Get("Sec-WebSocket-Version") == "" {
				t.Error("426 says neither Upgrade nor Sec-WebSocket-Version")
			}
		})
	}
}

// RFC 9110, section 15.5.22: an answer that asks for another protocol says for which.
func TestAnUpgradeIsAskedForByItsHeaders(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for _, headers := range []string{"", strings.Replace(upgradeHeaders, "Version: 13", "Version: 8", 1)} {
		a := s.send(request("GET", "/ws/p/u", "", headers))
		if a.status != 426 || a.header.Get("Upgrade") != "websocket" || !strings.EqualFold(a.header.Get("Connection"), "upgrade") {
			t.Errorf("GET with %q = %d %v; want 426, Upgrade and Connection", headers, a.status, a.header)
		}
	}
}

// A browser fails the connection if it offers subprotocols and none is chosen.
func TestTheSubprotocolIsChosenIfItIsOffered(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for _, tt := range []struct{ offered, chosen string }{
		{"", ""},
		{"Sec-WebSocket-Protocol: dispatcher", "dispatcher"},
		{"Sec-WebSocket-Protocol: other, dispatcher ,bearer.abc", "dispatcher"},
		{"Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: dispatcher", "dispatcher"},
		{"Sec-WebSocket-Protocol: other", "other"},
		{"Sec-WebSocket-Protocol: Dispatcher", "Dispatcher"},
	} {
		for _, path := range []string{"/ws/p/u", "/events"} {
			c := s.dial()
			headers := upgradeHeaders
			if tt.offered != "" {
				headers += "\r\n" + tt.offered
			}
			io.WriteString(c, request("GET", path, "", headers))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 101 {
				t.Fatalf("%s with %q = %v, %v; want 101", path, tt.offered, resp, err)
			}
			if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != tt.chosen {
				t.Errorf("%s with %q chose %q; want %q", path, tt.offered, got, tt.chosen)
			}
			c.Close()
		}
	}
}

func TestSocketsOverTheCapAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{MaxSockets: 1}), withPool(stream.Options{MaxConsumers: 1}))
	for _, path := range []string{"/ws/p/u", "/event-dispatcher"} {
		s.upgrade(path)
		a := s.send(request("GET", path, "", upgradeHeaders))
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s over the cap = %d %v; want 503 and Retry-After", path, a.status, a.header)
		}
	}
}

// The server may drain before its hub does: what the hub admits then takes no place.
func TestASocketRefusedWhileDrainingTakesNoPlace(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	s.players.Stop()
	s.stopSockets()
	a := s.send(request("GET", "/ws/p/u", "", upgradeHeaders))
	if n := s.hub.Stats().Sockets; a.status != 503 || n != 0 {
		t.Errorf("GET while draining = %d, %d sockets counted; want 503 and none", a.status, n)
	}
}

// withPool gives a server's pool options.
func withPool(o stream.Options) func(*setup) { return func(s *setup) { s.pool = o } }

// upgrade opens a WebSocket and reads its head.
func (s *testServer) upgrade(path string, headers ...string) *consumer {
	s.t.Helper()
	c := &consumer{t: s.t, conn: s.dial()}
	c.br = bufio.NewReader(c.conn)
	io.WriteString(c.conn, request("GET", path, "", append(headers, upgradeHeaders)...))
	tp := textproto.NewReader(c.br)
	if status, err := tp.ReadLine(); err != nil || !strings.HasPrefix(status, "HTTP/1.1 101") {
		s.t.Fatalf("GET %s = %q, %v; want 101", path, status, err)
	}
	if _, err := tp.ReadMIMEHeader(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// frame reads one frame.
func (c *consumer) frame() (op byte, payload string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	var head [10]byte
	must := func(p []byte) {
		c.t.Helper()
		if _, err := io.ReadFull(c.br, p); err != nil {
			c.t.Fatalf("reading a frame: %v", err)
		}
	}
	must(head[:2])
	n := int(head[1])
	if more := map[int]int{126: 2, 127: 8}[n]; more > 0 {
		must(head[2 : 2+more])
		n = 0
		for _, b := range head[2 : 2+more] {
			n = n<<8 | int(b)
		}
	}
	p := make([]byte, n)
	must(p)
	return head[0], string(p)
}

func eachWebSocketEngine(t *testing.T, f func(t *testing.T, o stream.Options)) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			t.Parallel()
			f(t, stream.Options{Portable: portable})
		})
	}
}

func TestFirehoseFramesAreTheEvents(t *testing.T) {
	t.Parallel()
	eachWebSocketEngine(t, func(t *testing.T, o stream.Options) {
		s := start(t, withPool(o))
		s.post("/metrics", `"before"`)
		c := s.upgrade("/event-dispatcher")
		for _, size := range []int{1, 100, 125, 126, 127, 65535, 65536, 200_000} {
			event := `"` + strings.Repeat("x", size-1) + `"`
			s.post("/metrics", event)
			if op, text := c.frame(); op != 0x81 || text != event {
				t.Fatalf("frame = %x %.40q (%d bytes); want the event of %d", op, text, len(text), len(event))
			}
		}
		s.post("/metrics", "{\r\n}")
		if _, text := c.frame(); text != "{  }" {
			t.Errorf("frame = %q; want the event in one line", text)
		}
		later := s.upgrade("/events")
		s.post("/metrics", "1")
		for _, c := range []*consumer{c, later} {
			if _, text := c.frame(); text != "1" {
				t.Errorf("frame = %q; want 1", text)
			}
		}
	})
}

func TestFirehoseAnswersPingsAndCloses(t *testing.T) {
	t.Parallel()
	eachWebSocketEngine(t, func(t *testing.T, o stream.Options) {
		s := start(t, withPool(o))
		c := s.upgrade("/event-dispatcher")
		c.conn.Write([]byte("\x89\x82\x00\x00\x00\x00hi"))
		if op, text := c.frame(); op != 0x8a || text != "hi" {
			t.Errorf("frame = %x %q; want the pong", op, text)
		}
		c.conn.Write([]byte("\x81\x82\x00\x00\x00\x00{}")) // ignored
		s.post("/metrics", "1")
		if op, text := c.frame(); op != 0x81 || text != "1" {
			t.Errorf("frame = %x %q; want the event", op, text)
		}
		c.conn.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8"))
		if op, text := c.frame(); op != 0x88 || text != "\x03\xe8" {
			t.Errorf("frame = %x %q; want close 1000", op, text)
		}
		if _, err := c.br.ReadByte(); err != io.EOF {
			t.Errorf("after the close frame: %v; want the end", err)
		}
		bad := s.upgrade("/event-dispatcher")
		bad.conn.Write([]byte{0x81, 1, 'x'})
		if op, text := bad.frame(); op != 0x88 || !strings.HasPrefix(text, "\x03\xea") {
			t.Errorf("frame = %x %q; want close 1002", op, text)
		}
		testkit.Eventually(t, "all have left", func() bool { return s.pool.Consumers() == 0 })
		s.post("/metrics", "2")
		again := s.upgrade("/event-dispatcher")
		s.post("/metrics", "3")
		if _, text := again.frame(); text != "3" {
			t.Errorf("frame = %q; want 3, the first one after it opened", text)
		}
	})
}

func TestFirehoseTellsWhatASlowConsumerMissed(t *testing.T) {
	t.Parallel()
	eachWebSocketEngine(t, func(t *testing.T, o stream.Options) {
		s := start(t, withPool(o), func(o *setup) { o.MaxBody = 32 << 10; o.broker.Bytes, o.broker.MaxEvent = 2<<20, 33<<10 })
		slow := s.upgrade("/event-dispatcher")
		const events = 1500
		pad := strings.Repeat("x", 20<<10)
		for n := range events {
			s.post("/metrics", fmt.Sprintf(`[%d,"%s"]`, n, pad))
		}
		received, skipped, last := 0, 0, -1
		for last != events-1 {
			op, text := slow.frame()
			n := 0
			switch op {
			case 0x89:
				fmt.Sscanf(text, "skipped %d", &n)
				skipped += n
			case 0x81:
				fmt.Sscanf(text, "[%d,", &n)
				if n <= last {
					t.Fatalf("event %d after %d", n, last)
				}
				received, last = received+1, n
				if last+1 != received+skipped {
					t.Fatalf("received %d + skipped %d at event %d", received, skipped, last)
				}
			}
		}
		if skipped == 0 {
			t.Error("skipped = 0 after 30 MB to a consumer that reads nothing; want some")
		}
	})
}
