package transport

import (
	"slices"
	"strings"
	"testing"

	"event-dispatcher/transport/screens"
)

// Every kind of answer of ingest and streams, by the request that gets it.
var corsRequests = map[string]string{
	"200":            request("POST", "/metrics", "{}"),
	"invalid":        request("POST", "/api/events", "{"),
	"method":         request("DELETE", "/events", ""),
	"stream method":  request("POST", "/event-dispatcher", "{}"),
	"shards":         request("GET", "/events?shards=9", ""),
	"health":         request("GET", "/health", ""),
	"preflight":      request("OPTIONS", "/metrics", ""),
	"malformed":      "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	"version":        "POST /metrics HTTP/1.2\r\nHost: a\r\n\r\n",
	"two lengths":    "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"too large":      request("POST", "/metrics", strings.Repeat(" ", 300<<10)),
	"expect refused": request("POST", "/metrics", "{}", "Expect: 100-continue", "Content-Encoding: br"),
}

// playersRequests are those of them that are for players, whose pages may send
// credentials, and of which enough can be read to know their page.
var playersRequests = map[string]bool{
	"200": true, "invalid": true, "preflight": true, "two lengths": true, "version": true, "expect refused": true, "too large": true,
}

func TestEveryOriginMayReadEveryAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, req := range corsRequests {
		const origin = "https://evil.example"
		h := s.send(withHeader(req, "Origin: "+origin)).header
		want, credentials := "*", ""
		if playersRequests[name] {
			want, credentials = origin, "true"
		}
		if got := h.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: Access-Control-Allow-Origin = %q; want %s", name, got, want)
		}
		if got := h.Get("Access-Control-Allow-Credentials"); got != credentials {
			t.Errorf("%s: Access-Control-Allow-Credentials = %q; want %q", name, got, credentials)
		}
		if got := h.Get("Vary"); (got == "Origin") != (want == origin) {
			t.Errorf("%s: Vary = %q with Access-Control-Allow-Origin %s", name, got, want)
		}
	}
	head := s.listen("/events", "Origin: https://evil.example").head.header
	if got := head.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("stream: Access-Control-Allow-Origin = %q; want *", got)
	}
}

func TestOnlyListedOriginsMayReadAnswers(t *testing.T) {
	t.Parallel()
	const listed = "https://player.example"
	s := start(t, func(o *setup) { o.Origins = []string{"https://other.example:8443", listed} })
	for origin, want := range map[string]string{
		"Origin: " + listed:                  listed,
		"Origin: https://other.example:8443": "https://other.example:8443",
		"Origin: https://other.example":      "",
		"Origin: https://player.example.net": "",
		"Origin: http://player.example":      "",
		"Origin: null":                       "",
		"Origin:":                            "",
		"X-None: 1":                          "",
	} {
		check := func(name string, a answer) {
			t.Helper()
			if got := a.header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s with %s: Access-Control-Allow-Origin = %q; want %q", name, origin, got, want)
			}
			if got := a.header.Get("Access-Control-Allow-Credentials"); (got == "true") != (want != "") {
				t.Errorf("%s with %s: Access-Control-Allow-Credentials = %q; want it with a listed origin only", name, origin, got)
			}
			if got := a.header.Get("Vary"); got != "Origin" {
				t.Errorf("%s with %s: Vary = %q; want Origin", name, origin, got)
			}
		}
		for name, req := range corsRequests {
			// A request that cannot be read has no origin.
			if want == "" || name != "malformed" {
				check(name, s.send(withHeader(req, origin)))
			}
		}
		c := s.listen("/events", origin)
		check("stream", c.head)
		c.conn.Close()
	}
}

// A page may read the id of the event that it submitted, whichever origins may use
// the service.
func TestPagesMayReadTheirEventsID(t *testing.T) {
	t.Parallel()
	const origin = "https://a.example"
	for _, s := range []*testServer{
		start(t, withSessions(t, screens.HubOptions{})),
		start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.Origins = []string{origin} }),
	} {
		for body, want := range map[string]string{`{"username":"a","cardId":"c"}`: "X-Event-Id", `{}`: ""} {
			h := s.send(request("POST", submitPath, body, "Origin: "+origin)).header
			if got := h.Get("Access-Control-Expose-Headers"); got != want || h.Get("X-Event-Id") == "" && want != "" {
				t.Errorf("POST %s: Access-Control-Expose-Headers = %q, X-Event-Id %q; want %q", body, got, h.Get("X-Event-Id"), want)
			}
		}
	}
}

func TestPreflightAllowsWhatBeaconsNeed(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tt := range []struct {
		target  string
		headers []string
		status  int
		methods string
	}{
		{"/metrics", nil, 204, "POST, OPTIONS"},
		{"/api/events", []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"}, 204, "POST, OPTIONS"},
		{"/cmcd", []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"}, 204, "POST, OPTIONS"},
		{"/events", []string{"Access-Control-Request-Method: GET"}, 204, "GET"},
		{"/event-dispatcher", []string{"Access-Control-Request-Method: GET"}, 204, "GET"},
		{"/events", nil, 405, ""},
	} {
		a := s.send(request("OPTIONS", tt.target, "", append(tt.headers, "Origin: https://a.example")...))
		if got := a.header.Get("Access-Control-Allow-Methods"); a.status != tt.status || got != tt.methods {
			t.Errorf("OPTIONS %s = %d, Access-Control-Allow-Methods %q; want %d, %q", tt.target, a.status, got, tt.status, tt.methods)
		}
		if tt.status != 204 {
			continue
		}
		allowed := strings.Split(a.header.Get("Access-Control-Allow-Headers"), ", ")
		for _, name := range strings.Fields("content-type content-encoding authorization cache-control last-event-id x-requested-with traceparent tracestate baggage sentry-trace") {
			if !slices.Contains(allowed, name) {
				t.Errorf("OPTIONS %s: Access-Control-Allow-Headers %q; want %s in it", tt.target, allowed, name)
			}
		}
		for _, name := range []string{"x-forwarded-for", "forwarded"} { // a page does not say whose it is
			if slices.Contains(allowed, name) {
				t.Errorf("OPTIONS %s: Access-Control-Allow-Headers %q; want no %s in it", tt.target, allowed, name)
			}
		}
		if age := a.header.Get("Access-Control-Max-Age"); a.body != "" || age != "86400" {
			t.Errorf("OPTIONS %s: body %q, Access-Control-Max-Age %q; want none, a day", tt.target, a.body, age)
		}
	}
}

// withHeader adds a line to the head of a request.
func withHeader(req, line string) string {
	for i := range req {
		if req[i] == '\n' {
			return req[:i+1] + line + "\r\n" + req[i+1:]
		}
	}
	panic("no line in " + req)
}

// CORS does not protect WebSockets, so the list must.
func TestOnlyListedOriginsMayOpenTheFirehose(t *testing.T) {
	t.Parallel()
	const listed = "https://page.example"
	s := start(t, func(o *setup) { o.Origins = []string{listed} })
	s.upgrade("/events", "Origin: "+listed)
	s.upgrade("/events") // no browser
	for _, origin := range []string{"https://evil.example", "null"} {
		a := s.send(request("GET", "/events", "", "Origin: "+origin, upgradeHeaders))
		if a.status != 403 || a.reason() != "origin" {
			t.Errorf("an upgrade from %s = %d %q; want 403 origin", origin, a.status, a.reason())
		}
	}
}

// A page that is not listed publishes nothing, and is told why.
func TestOnlyListedOriginsMayPublish(t *testing.T) {
	t.Parallel()
	const listed = "https://page.example"
	s := start(t, func(o *setup) { o.Origins = []string{listed} })
	c := s.listen("/events")
	for _, path := range []string{"/metrics", "/api/events", "/metrics?batch=array", "/cmcd"} {
		for _, origin := range []string{"https://evil.example", "null"} {
			for name, req := range map[string]string{
				"POST":      request("POST", path, `{"evil":1}`, "Origin: "+origin),
				"expecting": request("POST", path, `{"evil":1}`, "Origin: "+origin, "Expect: 100-continue"),
				"preflight": request("OPTIONS", path, "", "Origin: "+origin, "Access-Control-Request-Method: POST"),
			} {
				if a := s.send(req); a.status != 403 || a.reason() != "origin" {
					t.Errorf("%s %s from %s = %d %q; want 403 origin", name, path, origin, a.status, a.body)
				}
			}
		}
	}
	s.post("/metrics", `{"good":1}`, "Origin: "+listed)
	s.post("/metrics", `{"good":2}`) // no browser
	for _, want := range []string{`{"good":1}`, `{"good":2}`} {
		if got := c.event(); got != want {
			t.Errorf("the stream has %s; want %s", got, want)
		}
	}
}
