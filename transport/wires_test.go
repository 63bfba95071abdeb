package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// Each wire that a request asks for, by its query or its headers, carries the
// events byte for byte.
func TestWireIsWhatTheRequestAsksFor(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		s := start(t, func(o *setup) { o.pool = stream.Options{Portable: portable} })
		for _, tt := range []struct {
			target  string
			headers []string
			version string // of HTTP
			typ     string
			chunked bool
			body    string
		}{
			{"/events", nil, "HTTP/1.1", "text/event-stream; charset=utf-8", true, ": connected\ndata: {\"n\":1}\n\n"},
			{"/events", nil, "HTTP/1.0", "text/event-stream; charset=utf-8", false, ": connected\ndata: {\"n\":1}\n\n"},
			{"/events?wire=sse", []string{"Accept: application/x-ndjson"}, "HTTP/1.1", "text/event-stream; charset=utf-8", true, ": connected\ndata: {\"n\":1}\n\n"},
			{"/events?wire=sse", []string{upgradeHeaders}, "HTTP/1.1", "text/event-stream; charset=utf-8", true, ": connected\ndata: {\"n\":1}\n\n"},
			{"/events?wire=ndjson", nil, "HTTP/1.1", "application/x-ndjson", true, "\n{\"n\":1}\n"},
			{"/event-dispatcher", []string{"Accept: application/x-ndjson"}, "HTTP/1.1", "application/x-ndjson", true, "\n{\"n\":1}\n"},
			{"/events?wire=ndjson", nil, "HTTP/1.0", "application/x-ndjson", false, "\n{\"n\":1}\n"},
			{"/events?wire=ndjson&members=n&x-y=1", nil, "HTTP/1.1", "application/x-ndjson", true,
				`{"$dispatcher":{"connected":"view: shards=0&members=n&wire=ndjson; unknown parameters: xy"}}` + "\n{\"n\":1}\n"},
			{"/events?where=n=1", nil, "HTTP/1.1", "text/event-stream; charset=utf-8", true, ": connected; view: shards=0&where=n%3D1\ndata: {\"n\":1}\n\n"},
			{"/events?where=n%3E1&session_id=5", nil, "HTTP/1.1", "text/event-stream; charset=utf-8", true,
				": connected; view: shards=0&where=n%3E1; unknown parameters: session_id\ndata: {\"n\":2}\n\n"},
			// Openings are kept until they are read.
			{"/events?members=n," + strings.Repeat("!", 250) + ",x" + strings.Repeat("!", 250), nil, "HTTP/1.1", "text/event-stream; charset=utf-8", true,
				": connected; view: too long to be told here, ask /events/view\ndata: {\"n\":1}\n\n"},
		} {
			conn := s.dial()
			fmt.Fprintf(conn, "GET %s %s\r\nHost: t\r\n%s\r\n", tt.target, tt.version, strings.Join(append(tt.headers, ""), "\r\n"))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("GET %s over %s: %v", tt.target, tt.version, err)
			}
			if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != tt.typ || (len(resp.TransferEncoding) > 0) != tt.chunked {
				t.Errorf("GET %s over %s = %d, %q, %v; want 200, %q, chunked %v", tt.target, tt.version, resp.StatusCode, got, resp.TransferEncoding, tt.typ, tt.chunked)
			}
			s.post("/metrics", `{"n":1}`)
			s.post("/metrics", `{"n":2}`)
			got := make([]byte, len(tt.body))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != tt.body {
				t.Errorf("GET %s over %s carries %q, %v; want %q", tt.target, tt.version, got, err, tt.body)
			}
			conn.Close()
		}
	}
}

func TestWebSocketCarriesAView(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.upgrade("/events?where=n=2&members=n")
	if op, text := c.frame(); op != 0x89 || text != "connected: view: shards=0&where=n%3D2&members=n&wire=ws" {
		t.Errorf("first frame = %x %q; want a ping that says what was understood", op, text)
	}
	s.post("/metrics", `{"n":1}`)
	s.post("/metrics", `{"a":1,"n":2}`)
	if op, text := c.frame(); op != 0x81 || text != `{"n":2}` {
		t.Errorf("frame = %x %q; want the second event, shaped", op, text)
	}
}

// What a player sends is never taken for a notice, whatever is in it: where notices are
// JSON, the first bytes tell.
func TestEventsThatLookLikeNoticesAreTold(t *testing.T) {
	t.Parallel()
	const head = `{"$dispatcher":`
	s := start(t)
	lines := s.dial()
	fmt.Fprint(lines, request("GET", "/events?wire=ndjson&ids=1", ""))
	resp, err := http.ReadResponse(bufio.NewReader(lines), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	shaped := s.upgrade("/events?members=$dispatcher&notices=event")
	plain := s.upgrade("/events")
	text := func(c *consumer) string {
		for {
			if op, text := c.frame(); op == 0x81 {
				return text
			}
		}
	}
	if got := text(shaped); !strings.HasPrefix(got, head+`{"connected":`) {
		t.Fatalf("first text frame = %q; want what was understood", got)
	}
	for _, event := range []string{
		head + `{"skipped":42}}`, head + `{"id":"zzz.1"}}`, head + `{"retry":1}}`, head + `{"ended":"x"}}`, head + `null}`,
		`{"a":1,"$dispatcher":{"skipped":42}}`, `  ` + head + `{"skipped":42}}`, `{ "$dispatcher":{"skipped":1}}`, `{"\u0024dispatcher":{"skipped":1}}`,
		`"$dispatcher"`, `[{"$dispatcher":1}]`,
	} {
		s.post("/metrics", event)
		for got := ""; got == ""; { // the opening and its id come first
			line, err := body.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, head) {
				if got = line; got != "" && strings.TrimPrefix(got, " "+head) != strings.TrimPrefix(event, head) && got != event {
					t.Errorf("line of %s = %q; want the event, behind a blank if it begins like a notice", event, got)
				}
			}
		}
		if got := text(plain); got != event {
			t.Errorf("text frame of %s = %q where no notice is text; want the event", event, got)
		}
		if got := text(shaped); strings.HasPrefix(got, head) || !json.Valid([]byte(got)) {
			t.Errorf("text frame of %s = %q among notices; want no notice", event, got)
		}
	}
}

func TestViewThatCannotBeServedIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) {
		o.pool = stream.Options{MaxViews: 1}
		o.Views = view.Options{MaxConditions: 2, MaxMembers: 3, MaxQuery: 100}
	})
	for _, tt := range []struct {
		target, reason, says string
		headers              []string
	}{
		{"/events?wire=ws", "parameter", "wire", nil},
		{"/events?wire=x", "parameter", "wire", nil},
		{"/events?where=", "parameter", "where", nil},
		{"/events?sample=2", "parameter", "sample", nil},
		{"/events?wire=x", "parameter", "wire", []string{upgradeHeaders}},
		{"/events?shards=9", "shards", "shards", nil},
		{"/events?where=a&where=b&where=c", "view_too_large", "where", nil},
		{"/events?members=a,b,c,d", "view_too_large", "members", nil},
		{"/events?where=a.b.c.d.e.f.g.h.i", "view_too_large", "where", nil},
		{"/events?x=" + strings.Repeat("y", 100), "query", "100", nil},
	} {
		a := s.send(request("GET", tt.target, "", tt.headers...))
		if a.status != 400 || a.reason() != tt.reason || !strings.Contains(a.body, tt.says) {
			t.Errorf("GET %s = %d %q; want 400 %s that names %s", tt.target, a.status, a.body, tt.reason, tt.says)
		}
	}
	first := s.listen("/events?where=a=1")
	if a := s.send(request("GET", "/events?where=a=2", "")); a.status != 503 || a.reason() != "views" {
		t.Errorf("GET with one view too many = %d %q; want 503 views", a.status, a.body)
	}
	s.listen("/events?where=a=1").conn.Close()
	s.listen("/events").conn.Close()
	first.conn.Close()
	testkit.Eventually(t, "all views are forgotten", func() bool { return s.pool.Stats().Views == 0 })
	s.listen("/events?where=a=2")
}

func TestConsumersAreListedWithTheirView(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.listen("/events?where=a=1&wire=sse")
	s.post("/metrics", `{"a":2}`)
	testkit.Eventually(t, "it passes over an event", func() bool {
		for _, in := range s.pool.Inspect() {
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(b); strings.Contains(text, `"wire":"sse"`) && strings.Contains(text, `"where":["a=1"]`) &&
				strings.Contains(text, `"passed_over":1`) && strings.Contains(text, `"delivered":0`) {
				return true
			}
		}
		return false
	})
}

// What strangers say of themselves is bounded and cannot be mistaken for something else.
func TestConsumersAreListedWithWhoTheyAre(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.TrustedProxies = proxies })
	operators := s.serveOn(loopback(t), s.ServeAdmin)
	long := strings.Repeat("\u00e9", 100)
	for _, tt := range []struct {
		target              string
		headers             []string
		name, agent, client string
	}{
		{"/events?name=dashboard+1", []string{"User-Agent: curl/8", "X-Forwarded-For: 6.6.6.6, 192.0.2.7"}, "dashboard 1", "curl/8", "192.0.2.7"},
		{"/events", nil, "", "", "127.0.0.1"},
		{"/events?name=%00%1b%5b2J%0a%ff%e2%80%ae%22", []string{"User-Agent: \xff\"</script>"}, "??[2J???\"", "?\"</script>", "127.0.0.1"},
		{"/events?name=" + url.QueryEscape(long), []string{"User-Agent: " + long}, long[:64], long[:128], "127.0.0.1"},
	} {
		s.listen(tt.target, tt.headers...)
		testkit.Eventually(t, "it is listed with who it is", func() bool {
			for _, in := range s.pool.Inspect() {
				if in.Name == tt.name && in.Agent == tt.agent && in.Client.String() == tt.client && in.Addr.Addr().String() == "127.0.0.1" {
					return true
				}
			}
			return false
		})
	}
	s.upgrade("/events?name=socket", "User-Agent: ws")
	s.upgrade("/ws/p/alice")
	testkit.Eventually(t, "a loop has the stream over WebSocket", func() bool {
		return slices.ContainsFunc(s.pool.Inspect(), func(in stream.ConsumerInfo) bool { return in.Name == "socket" })
	})
	a, _ := sendTo(t, operators, request("GET", "/consumers", ""))
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("GET /consumers = %v; want an answer that nobody takes for a page", a.header)
	}
	for want, is := range map[string]bool{
		`"name":"socket","user_agent":"ws"`: true, `"practice":"p","user":"alice"`: true, `"?\"</script>"`: true, `"name":"` + long[:66]: false,
	} {
		if strings.Contains(a.body, want) != is {
			t.Errorf("GET /consumers = %s; want %s in it: %v", a.body, want, is)
		}
	}
}
