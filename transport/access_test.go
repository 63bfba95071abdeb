package transport

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/subscribe"
	"event-dispatcher/transport/view"
)

// tokens of the test's access file, by what they may.
var tokens = map[string]string{
	"publish": "token-of-a-player", "consume": "token-of-a-tool", "operate": "token-of-an-operator", "expired": "token-of-last-year",
}

// accessFile writes one that lets anonymous do nothing; more is added to it.
func accessFile(t testing.TB, path, more string, names ...string) {
	t.Helper()
	text := more + "\n"
	for _, name := range names {
		hash := sha256.Sum256([]byte(tokens[name]))
		role, expires := name, ""
		if name == "expired" {
			role, expires = "consume", "expires = 2020-01-01T00:00:00Z"
		}
		text += fmt.Sprintf("[[tokens]]\nname = %q\nsha256 = %q\nroles = [%q]\nusers = [\"u\"]\n%s\n", name, hex.EncodeToString(hash[:]), role, expires)
	}
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

var allTokens = []string{"publish", "consume", "operate", "expired"}

// withAccess has only tokens let in. It returns the gate when the server is started.
func withAccess(t testing.TB, gate **access.Gate, more string) (path string, change func(*setup)) {
	path = filepath.Join(t.TempDir(), "access.toml")
	accessFile(t, path, more, allTokens...)
	return path, func(o *setup) {
		g, err := access.Open(access.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		o.Gate = g
		if gate != nil {
			*gate = g
		}
	}
}

func bearer(name string) string { return "Authorization: Bearer " + tokens[name] }

// head sends a request and reads the head of the response only: streams go on.
func (s *testServer) head(addr, request string) *http.Response {
	s.t.Helper()
	c := dialTo(s.t, addr)
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.60q: %v", request, err)
	}
	return resp
}

// Every role on every path, by every wire, with operators on a listener of their own and
// on the public one. The tables are printed with -v.
func TestEveryRoleOnEveryPathAndWire(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("admin listener=%v", own), func(t *testing.T) {
			t.Parallel()
			_, change := withAccess(t, nil, "")
			s := start(t, change, withSessions(t, screens.HubOptions{}), func(o *setup) { o.Admin = own })
			ops := s.addr
			if own {
				ops = s.serveOn(loopback(t), s.ServeAdmin)
			}
			var table strings.Builder
			w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "path\tmethod\twire\tneeds\t%s\n", strings.Join(roles, "\t"))
			for _, r := range s.routes() {
				addr := s.addr
				switch {
				case r.on&operators != 0:
					addr = ops
				case r.on&public == 0 && !own:
					continue // is nowhere
				case r.on&public == 0:
					addr = ops
				case r.path == "/" && !own:
					continue // the operators' stands before it
				}
				lines := 0
				for method := range strings.SplitSeq(r.methods, ", ") {
					if method == "OPTIONS" {
						continue // a preflight brings no credentials
					}
					if method == "" {
						method = "GET" // for any
					}
					for _, c := range r.wires() {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s", r.path, method, c.wire, r.right)
						for _, role := range roles {
							fmt.Fprintf(w, "\t%d", s.tryRole(addr, r, method, c, role))
						}
						fmt.Fprintln(w)
						lines++
					}
				}
				if lines == 0 {
					t.Errorf("%s %s is not in the table", r.methods, r.path)
				}
			}
			w.Flush()
			t.Log("\n" + table.String())
		})
	}
}

// roles are who may ask: "ticket" brings one.
var roles = []string{"nobody", "nonsense", "expired", "publish", "consume", "operate", "ticket"}

// A crossing is a wire, and the headers that ask for it.
type crossing struct {
	wire    string
	headers []string
}

// wires are those of a route.
func (r route) wires() []crossing {
	switch {
	case r.is&becomesStream != 0:
		return []crossing{{"sse", nil}, {"ndjson", []string{"Accept: application/x-ndjson"}}, {"ws", []string{upgradeHeaders}}}
	case r.is&becomesSocket != 0:
		return []crossing{{"ws", []string{upgradeHeaders}}}
	case r.is&takesEvent != 0:
		return []crossing{{"http", nil}, {"expect", []string{"Expect: 100-continue"}}}
	}
	return []crossing{{"http", nil}}
}

// tryRole has somebody ask for a route, and holds the answer to what it should be.
func (s *testServer) tryRole(addr string, r route, method string, c crossing, role string) (status int) {
	s.t.Helper()
	path, headers := r.sample(), append([]string(nil), c.headers...)
	switch role {
	case "nobody":
	case "nonsense":
		headers = append(headers, "Authorization: Bearer nonsense")
	case "ticket":
		path += "?token=" + s.ticketOf("consume")
	default:
		headers = append(headers, bearer(role))
	}
	body := ""
	switch {
	case method == "GET" || method == "HEAD":
	case strings.Contains(r.path, "submit"):
		body = `{"username":"u","cardId":"c"}`
	case strings.Contains(r.path, "cmcd"):
		body = "e=ps,ts=1"
	default:
		body = "{}"
	}
	resp := s.head(addr, request(method, path, body, headers...))
	want := 0 // let in
	switch {
	case r.right == access.None || role == r.right.String():
	case role == "ticket" && r.right == access.Consume && r.path != "/tickets": // a ticket makes no tickets
	case role == "publish" || role == "consume" || role == "operate":
		want = 403
	default:
		want = 401
	}
	got := resp.StatusCode
	challenge := resp.Header.Get("WWW-Authenticate")
	if want == 0 && (got == 401 || got == 403) || want != 0 && got != want ||
		strings.HasPrefix(challenge, "Bearer ") != (want != 0) || strings.Contains(challenge, "error=") != (want != 0 && role != "nobody") {
		s.t.Errorf("%s %s over %s of %s = %d, WWW-Authenticate %q; want %d", method, r.path, c.wire, role, got, challenge, want)
	}
	if want != 0 && r.is&forPages != 0 && resp.Header.Get("Access-Control-Allow-Origin") == "" {
		s.t.Errorf("%s %s of %s = %d without headers of CORS", method, r.path, role, got)
	}
	return got
}

// ticketOf is a new ticket of a token.
func (s *testServer) ticketOf(name string) string {
	s.t.Helper()
	a := s.send(request("POST", "/tickets", "", bearer(name)))
	var answer access.TicketAnswer
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.status != 200 || answer.ExpiresIn != 30 || a.header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("POST /tickets = %d %q, %v", a.status, a.body, err)
	}
	return answer.Ticket
}

func TestStreamsEndWhenTheirTokenIsRevoked(t *testing.T) {
	t.Parallel()
	var gate *access.Gate
	path, change := withAccess(t, &gate, "[anonymous]\nroles = [\"publish\"]")
	s := start(t, change, withSessions(t, screens.HubOptions{}))
	screen := s.head(s.addr, request("GET", "/ws/p/u", "", upgradeHeaders, bearer("consume")))
	if screen.StatusCode != 101 {
		t.Fatal(screen.Status)
	}
	sse := s.listen("/events", bearer("consume"))
	s.listen("/events", bearer("consume"))
	ndjson := s.head(s.addr, request("GET", "/events?wire=ndjson", "", bearer("consume")))
	s.post("/metrics", `{"a":1}`)
	if got := sse.event(); got != `{"a":1}` {
		t.Fatalf("event = %q", got)
	}
	// Another token comes: nobody is ended.
	accessFile(t, path, "[anonymous]\nroles = [\"publish\"]", allTokens...)
	if err := gate.Reload(); err != nil {
		t.Fatal(err)
	}
	s.post("/metrics", `{"a":2}`)
	if got := sse.event(); got != `{"a":2}` {
		t.Fatalf("event = %q", got)
	}
	accessFile(t, path, "[anonymous]\nroles = [\"publish\"]", "publish")
	if err := gate.Reload(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(sse.br)
	if !strings.Contains(string(rest), ": ended revoked\n") {
		t.Errorf("the stream ends with %q; want the reason", rest)
	}
	rest, _ = io.ReadAll(ndjson.Body)
	if !strings.Contains(string(rest), `{"$dispatcher":{"ended":"revoked"}}`) {
		t.Errorf("the lines end with %q; want the reason", rest)
	}
	testkit.Eventually(t, "all streams are closed, and nobody is watched", func() bool {
		return s.pool.Consumers() == 0 && s.hub.Stats().Sockets == 0 && gate.Stats().Streams == 0
	})
	if n := s.gather()[`dispatcher_access_streams_ended_total{revoked}`]; n != 4 {
		t.Errorf("streams ended = %v; want 3 and a socket", n)
	}
}

func TestTicketsOpenOneStream(t *testing.T) {
	t.Parallel()
	_, change := withAccess(t, nil, "[anonymous]\nroles = [\"publish\"]")
	s := start(t, change, withSessions(t, screens.HubOptions{}))
	ticket := func() string { return s.ticketOf("consume") }
	for name, make := range map[string]func(ticket string) string{
		"sse":       func(k string) string { return request("GET", "/events?token="+k, "") },
		"websocket": func(k string) string { return request("GET", "/events?token="+k, "", upgradeHeaders) },
		"protocol": func(k string) string {
			return request("GET", "/events", "", upgradeHeaders, "Sec-WebSocket-Protocol: dispatcher, bearer."+k)
		},
		"session": func(k string) string {
			return request("GET", "/ws/p/u", "", upgradeHeaders, "Sec-WebSocket-Protocol: bearer."+k+", dispatcher")
		},
	} {
		req := make(ticket())
		resp := s.head(s.addr, req)
		if resp.StatusCode != 200 && resp.StatusCode != 101 {
			t.Errorf("%s with a ticket = %d", name, resp.StatusCode)
		}
		want := ""
		if strings.Contains(req, "bearer.") {
			want = "dispatcher"
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Errorf("%s: subprotocol %q; want %q", name, got, want)
		}
		if again := s.head(s.addr, req); again.StatusCode != 401 {
			t.Errorf("%s with a used ticket = %d; want 401", name, again.StatusCode)
		}
	}
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"nobody":         {request("POST", "/tickets", ""), 401},
		"another role":   {request("POST", "/tickets", "", bearer("operate")), 403},
		"for a ticket":   {request("POST", "/tickets?token="+ticket(), ""), 401},
		"to publish":     {request("POST", "/metrics?token="+ticket(), "1"), 401},
		"with no method": {request("GET", "/tickets", ""), 405},
	} {
		if got := s.head(s.addr, tt.request).StatusCode; got != tt.status {
			t.Errorf("%s = %d; want %d", name, got, tt.status)
		}
	}
}

func TestSessionsAreTheTokensOwn(t *testing.T) {
	t.Parallel()
	_, change := withAccess(t, nil, "")
	s := start(t, change, withSessions(t, screens.HubOptions{}))
	for user, want := range map[string]int{"u": 200, "v": 403} {
		a := s.send(request("POST", "/poc/submit_update_event", `{"username":"`+user+`","cardId":"c"}`, bearer("publish")))
		if a.status != want || want == 403 && !strings.Contains(a.body, `"subject"`) {
			t.Errorf("a submission for %s = %d %q; want %d", user, a.status, a.body, want)
		}
		if want == 200 {
			want = 101
		}
		if got := s.head(s.addr, request("GET", "/ws/p/"+user, "", upgradeHeaders, bearer("consume"))).StatusCode; got != want {
			t.Errorf("a socket for %s = %d; want %d", user, got, want)
		}
	}
}

// A view says what of the events may be seen, and nothing of it is about sessions.
func TestAViewShowsNoSessionsOfOthers(t *testing.T) {
	t.Parallel()
	hash := sha256.Sum256([]byte("confined"))
	_, change := withAccess(t, nil, fmt.Sprintf("[[tokens]]\nname = \"confined\"\nsha256 = %q\nroles = [\"consume\"]\nview = \"where=tenant=a\"\nsubject = \"*\"\nusers = [\"u\"]\n", hex.EncodeToString(hash[:])))
	s := start(t, change, withSessions(t, screens.HubOptions{}))
	// A socket shows all users of its practice.
	for _, user := range []string{"u", "*"} {
		if got := s.head(s.addr, request("GET", "/ws/p/"+user, "", upgradeHeaders, "Authorization: Bearer confined")).StatusCode; got != 403 {
			t.Errorf("a socket for %s by a token with a view = %d; want 403", user, got)
		}
	}
	for _, tt := range []struct {
		user, credentials string
		status            int
	}{
		{"u", "Authorization: Bearer confined", 200},
		{"bob", "Authorization: Bearer confined", 403},
		{"bob", bearer("consume"), 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			resp := s.head(s.addr, request(method, "/poc/replay_event_data/"+tt.user, "", tt.credentials))
			if resp.StatusCode != tt.status {
				t.Errorf("%s what is stored of %s by %q = %d; want %d", method, tt.user, tt.credentials, resp.StatusCode, tt.status)
			}
		}
	}
	if a := s.send(request("GET", "/poc/replay_event_data/bob", "", "Authorization: Bearer confined")); !strings.Contains(a.body, `"subject"`) {
		t.Errorf("the refusal is %q; want the reason subject", a.body)
	}
}

// A body that is refused is not waited for, nor kept.
func TestACredentialIsCheckedBeforeTheBody(t *testing.T) {
	t.Parallel()
	_, change := withAccess(t, nil, "")
	s := start(t, change)
	resp := s.head(s.addr, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat(" ", 9000))
	if resp.StatusCode != 401 || !resp.Close {
		t.Errorf("a large body of nobody = %d, close %v; want 401 and the end before it has come", resp.StatusCode, resp.Close)
	}
}

// withView lets everybody publish, and gives the token that may consume a view.
func withView(t *testing.T, v string) func(*setup) {
	path := filepath.Join(t.TempDir(), "access.toml")
	hash := sha256.Sum256([]byte(tokens["consume"]))
	text := fmt.Sprintf("[anonymous]\nroles=[\"publish\"]\n[[tokens]]\nname=\"a\"\nsha256=%q\nroles=[\"consume\"]\nview=%q\n", hex.EncodeToString(hash[:]), v)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(o *setup) {
		g, err := access.Open(access.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		o.Gate = g
	}
}

// A view that hides the shard key does not tell the shard of an event, whichever way its holder asks.
func TestAViewThatHidesTheShardKeyDoesNotTellTheShard(t *testing.T) {
	t.Parallel()
	shards := func(o *setup) { o.broker.Shards, o.broker.ShardKey, o.broker.Bytes = 4, "session_id", 64<<20 }
	s := start(t, shards, withView(t, "members=x"))
	for _, path := range []string{"/events", "/event-dispatcher", "/events/view"} {
		for _, query := range []string{"ids=1", "shards=1", "lastEventId=z.1", "wire=ndjson&ids=1"} {
			if a := s.send(request("GET", path+"?"+query, "", bearer("consume"))); a.status != 403 || a.reason() != "view" {
				t.Errorf("GET %s?%s = %d %q; want 403 view", path, query, a.status, a.body)
			}
		}
		if path == "/events/view" {
			continue // which resumes nothing
		}
		for _, more := range [][]string{nil, {upgradeHeaders}} {
			if a := s.send(request("GET", path, "", append(more, bearer("consume"), "Last-Event-ID: z.1")...)); a.status != 403 || a.reason() != "view" {
				t.Errorf("GET %s with Last-Event-ID and %v = %d %q; want 403 view", path, more, a.status, a.body)
			}
		}
	}
	open := start(t, shards, withView(t, "members=session_id"))
	open.listen("/events?ids=1&shards=1", bearer("consume"))
}

func TestAConsumerStaysWithinItsView(t *testing.T) {
	t.Parallel()
	s := start(t, withView(t, "where=tenant=a"))
	check := subscribe.CheckView(s.broker, view.Options{})
	for query, ok := range map[string]bool{
		"where=tenant=a": true, "shards=0&where=tenant=a": true, "members=a,b": true, "sample=0.5": true,
		"shards=99": false, "where=": false, "wire=ws": false, "every=1s": false, "tenant=a": false, "token=x": false,
	} {
		if err := check(query); (err == nil) != ok {
			t.Errorf("CheckView(%q) = %v; want ok %v", query, err, ok)
		}
	}
	for _, query := range []string{"", "?where=tenant", "?where=tenant!=b"} {
		c := s.listen("/events"+query, bearer("consume"))
		s.post("/metrics", `{"tenant":"b"}`)
		s.post("/metrics", `{"tenant":"a"}`)
		if got := c.event(); got != `{"tenant":"a"}` {
			t.Errorf("%q: first event %q; want none of another tenant", query, got)
		}
	}
}

// heap is what the process has allocated and not given back to itself.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Row 1 of the attacks: heads that declare large bodies, and nothing after them.
func TestDeclaredBodiesCostNothing(t *testing.T) {
	const connections = 1000
	s := start(t, func(o *setup) { o.ReadTimeout = patience })
	before := heap()
	for i := range connections {
		c := s.dial()
		if _, err := fmt.Fprintf(c, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 262144\r\n\r\n%d", i); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "all heads were read", func() bool { return s.public.Connections() == connections })
	time.Sleep(200 * time.Millisecond) // no claim rests on it: what comes later costs more
	each := (heap() - before) / connections
	t.Logf("%d bytes each", each)
	if each > 64<<10 {
		t.Errorf("a connection that declared 256 KiB and sent a byte costs %d bytes; want less than 64 KiB", each)
	}
}

// slowBody sends all of an event but its last byte.
func (s *testServer) slowBody(size int) net.Conn {
	c := s.dial()
	fmt.Fprintf(c, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat(" ", size-1))
	return c
}

func TestLargeBodiesHaveABudget(t *testing.T) {
	t.Parallel()
	const size = 200 << 10
	s := start(t, func(o *setup) { o.BodiesBytes, o.MaxBatch = 1, 512<<10; o.ReadTimeout = patience }) // at least eight of 256 KiB
	var held []net.Conn
	const fits = 7 // one that grows has two sizes for a moment
	for range fits {
		held = append(held, s.slowBody(size))
	}
	testkit.Eventually(t, "the budget is taken", func() bool { return s.gather()["dispatcher_bodies_bytes"] == fits*256<<10 })
	large := strings.Repeat(" ", size-1) + "1"
	if a := s.send(request("POST", "/metrics", large)); a.status != 503 || a.reason() != "bodies" || a.header.Get("Retry-After") == "" {
		t.Errorf("one more large body = %d %q; want 503 bodies", a.status, a.body)
	}
	s.post("/metrics", `{"small":true}`)
	for _, c := range held {
		io.WriteString(c, "1")
		if a := readAnswer(t, bufio.NewReader(c), "POST"); a.status != 200 {
			t.Errorf("a slow large body = %d %q; want 200", a.status, a.body)
		}
	}
	testkit.Eventually(t, "the budget is given back", func() bool { return s.gather()["dispatcher_bodies_bytes"] == 0 })
	s.post("/metrics", large)
	// What bodies inflate to counts, too.
	for range fits {
		s.slowBody(size)
	}
	s.slowBody(60 << 10)
	testkit.Eventually(t, "the budget is taken again", func() bool { return s.gather()["dispatcher_bodies_bytes"] == fits*256<<10+64<<10 })
	if a := s.send(request("POST", "/metrics", gzipped(t, large), "Content-Encoding: gzip")); a.status != 503 || a.reason() != "bodies" {
		t.Errorf("a small body that inflates to a large one = %d %q; want 503 bodies", a.status, a.body)
	}
	s.post("/metrics", "[\""+strings.Repeat("x", 9000)+"\"]", "Connection: keep-alive")
}

// Whoever brings a token may name subprotocols, too: nothing of what they are takes the token's
// place.
func TestATokenGoesWithSubprotocols(t *testing.T) {
	t.Parallel()
	_, change := withAccess(t, nil, "")
	s := start(t, change)
	for _, tt := range []struct {
		authorization, protocol string
		status                  int
	}{
		{bearer("consume"), "dispatcher", 101},
		{"Authorization: x", "Bearer " + tokens["consume"], 401},
		{bearer("consume"), "dispatcher, bearer." + tokens["consume"], 401},
	} {
		resp := s.head(s.addr, request("GET", "/events", "", upgradeHeaders, tt.authorization, "Sec-WebSocket-Protocol: "+tt.protocol))
		if resp.StatusCode != tt.status {
			t.Errorf("a token in %.20q beside %.20q = %d; want %d", tt.authorization, tt.protocol, resp.StatusCode, tt.status)
		}
	}
}

// What a large submission says is in the budget beside its body, until it is made known. What
// is wrong is told, whether there is room or not.
func TestLargeSubmissionsHaveABudget(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.BodiesBytes, o.MaxBatch = 1, 512<<10; o.ReadTimeout = patience })
	const left = 224 << 10 // the body takes 128 KiB, and 64 before it
	var held []net.Conn
	for _, size := range []int{200, 200, 200, 200, 200, 200, 200, 28} {
		held = append(held, s.slowBody(size<<10))
	}
	testkit.Eventually(t, "the budget is taken", func() bool { return s.gather()["dispatcher_bodies_bytes"] == 2<<20-left })
	submission := func(username string, size int) string {
		return fmt.Sprintf(`{"username":"%s","cardId":"c","data":"%s"}`, username, strings.Repeat("x", size))
	}
	for _, c := range []struct {
		name, body string
		status     int
		answer     string
	}{
		{"large", submission("u", 120<<10), 503, `"error":"bodies"`},
		{"large and wrong", submission("", 120<<10), 400, `"error":"username"`},
		{"small", submission("u", 8<<10), 200, ""},
	} {
		if a := s.send(request("POST", screens.SubmitPath, c.body)); a.status != c.status || !strings.Contains(a.body, c.answer) {
			t.Errorf("a submission that is %s = %d %q; want %d %s", c.name, a.status, a.body, c.status, c.answer)
		}
	}
	for _, c := range held {
		io.WriteString(c, "1")
		readAnswer(t, bufio.NewReader(c), "POST")
	}
	s.post(screens.SubmitPath, submission("u", 120<<10))
	testkit.Eventually(t, "the budget is given back", func() bool { return s.gather()["dispatcher_bodies_bytes"] == 0 })
}

// Bodies of all sizes, by length and in chunks, one after the other on a connection.
func TestBodiesOfAllSizesOnOneConnection(t *testing.T) {
	t.Parallel()
	s := start(t)
	consumer := s.listen("/events")
	c := s.dial()
	br := bufio.NewReader(c)
	for _, size := range []int{2, 600, 8191, 8192, 8193, 16384, 65535, 65536, 65537, 262143, 262144} {
		body := `"` + strings.Repeat("x", size-2) + `"`
		chunks := fmt.Sprintf("POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", size/2, body[:size/2], size-size/2, body[size/2:])
		for how, req := range map[string]string{"length": request("POST", "/metrics", body), "chunks": chunks} {
			io.WriteString(c, req)
			if a := readAnswer(t, br, "POST"); a.status != 200 {
				t.Fatalf("%d bytes by %s = %d %q", size, how, a.status, a.body)
			}
			if got := consumer.event(); got != body {
				t.Fatalf("%d bytes by %s came as %d", size, how, len(got))
			}
		}
	}
	over := strings.Repeat(" ", 262144) + "1"
	for how, req := range map[string]string{"length": request("POST", "/metrics", over),
		"chunks": fmt.Sprintf("POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(over), over)} {
		if resp := s.head(s.addr, req); resp.StatusCode != 413 || !resp.Close {
			t.Errorf("too large by %s = %d, close %v; want 413 and the end", how, resp.StatusCode, resp.Close)
		}
	}
}

// Strangers hold all connections, and probes are answered.
func TestProbesAreAnsweredWhenAllConnectionsAreTaken(t *testing.T) {
	t.Parallel()
	const most = 50
	s := start(t, func(o *setup) { o.MaxConnections = most })
	for range most {
		s.dial()
	}
	testkit.Eventually(t, "all places are taken", func() bool { return s.public.Connections() == most })
	for range 5 {
		for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/health": 200, "/metrics": 200, "/events": 503} {
			var resp *http.Response
			testkit.Eventually(t, path+" has a place of the reserve", func() bool {
				resp = s.head(s.addr, request("GET", path, ""))
				return resp.StatusCode == want
			})
			if !resp.Close {
				t.Errorf("GET %s leaves its place of the reserve taken", path)
			}
		}
	}
}

// Over TLS strangers hold all connections, and the places for probes, too, and begin no
// handshake: a place for a probe is free again soon.
func TestProbesAreAnsweredOverTLSWhenAllPlacesAreTaken(t *testing.T) {
	t.Parallel()
	const most, reserve, perClient = 20, 32, 2
	var c *access.Certificate
	s := start(t, withTLS(t, t.TempDir(), &c), func(o *setup) { o.MaxConnections = most })
	hold := func(from string) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		nc, err := d.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
	}
	for range most {
		hold("127.0.0.1")
	}
	testkit.Eventually(t, "all places are taken", func() bool { return s.public.Connections() == most })
	for n := range reserve {
		hold(fmt.Sprint("127.0.1.", 1+n/perClient))
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, Timeout: patience}
	testkit.Eventually(t, "a probe is answered", func() bool {
		resp, err := client.Get("https://" + s.addr + "/livez")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
}

func withTLS(t testing.TB, dir string, certificateOf **access.Certificate) func(*setup) {
	cert, key := testkit.Certificate(t, dir, time.Now().Add(time.Hour))
	return func(o *setup) {
		c, err := access.OpenCertificate(cert, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		o.Certificate, *certificateOf = c, c
	}
}

// Over TLS: events in and out by every wire, and a certificate that is renewed while
// requests go on.
func TestEverythingGoesOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var c *access.Certificate
	s := start(t, withTLS(t, dir, &c), withSessions(t, screens.HubOptions{}))
	config := &tls.Config{InsecureSkipVerify: true}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: patience}
	defer client.CloseIdleConnections()
	url := "https://" + s.addr

	sse, err := client.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer sse.Body.Close()
	lines, err := client.Get(url + "/events?wire=ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Body.Close()
	socket, err := tls.Dial("tcp", s.addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	socket.SetDeadline(time.Now().Add(patience))
	io.WriteString(socket, request("GET", "/events", "", upgradeHeaders))
	frames := bufio.NewReader(socket)
	if resp, err := http.ReadResponse(frames, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("upgrade over TLS: %v, %v", resp, err)
	}

	// Requests all the while, half of them on new connections.
	const renewals = 5
	var stop atomic.Bool
	var sent, failed atomic.Int64
	var load sync.WaitGroup
	for i := range 2 {
		load.Go(func() {
			fresh := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: i == 0}, Timeout: patience}
			defer fresh.CloseIdleConnections()
			for !stop.Load() {
				resp, err := fresh.Post(url+"/metrics", "", strings.NewReader(`{"load":true}`))
				if err != nil || resp.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("a request during the renewal: %v, %v", resp, err)
				}
				if err == nil {
					resp.Body.Close()
				}
				sent.Add(1)
			}
		})
	}
	for i := range renewals {
		expires := time.Now().Add(time.Duration(2+i) * time.Hour).Truncate(time.Second)
		testkit.Certificate(t, dir, expires)
		if err := c.Reload(); err != nil {
			t.Fatal(err)
		}
		state, err := tls.Dial("tcp", s.addr, config)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.ConnectionState().PeerCertificates[0].NotAfter; !got.Equal(expires) {
			t.Errorf("renewal %d: a new connection sees a certificate until %v; want %v", i, got, expires)
		}
		state.Close()
		goal := sent.Load() + 20
		testkit.Eventually(t, "requests go on", func() bool { return sent.Load() >= goal })
	}
	stop.Store(true)
	load.Wait()
	if failed.Load() > 0 || sent.Load() < 20*renewals {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}

	large := `{"last":"` + strings.Repeat("x", 200<<10) + `"}`
	if resp, err := client.Post(url+"/metrics", "", strings.NewReader(large)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("a large event: %v, %v", resp, err)
	}
	for name, r := range map[string]io.Reader{"sse": sse.Body, "ndjson": lines.Body, "ws": frames} {
		var all bytes.Buffer
		for p := make([]byte, 32<<10); !bytes.Contains(all.Bytes(), []byte(large)); {
			n, err := r.Read(p)
			if all.Write(p[:n]); err != nil {
				t.Errorf("%s over TLS: %v after %d bytes", name, err, all.Len())
				break
			}
		}
		if n := int64(bytes.Count(all.Bytes(), []byte(`{"load":true}`))); n != sent.Load() {
			t.Errorf("%s over TLS: %d events of %d", name, n, sent.Load())
		}
	}
}
