package transport

import (
	"strings"
	"testing"

	"event-dispatcher/transport/access"
)

func TestRefusalsOfPathsSayWhereToGo(t *testing.T) {
	t.Parallel()
	alone := start(t)
	players, ops := everywhere(t)
	for _, tt := range []struct {
		on           *testServer
		method, path string
		status       int
		says, not    string
	}{
		{alone, "GET", "/api/events", 405, "this path takes POST, not GET; " + knownPaths, ""},
		{alone, "DELETE", "/metrics", 405, "this path takes GET, HEAD, POST, not DELETE\n", ""},
		{alone, "POST", "/events", 405, "this path takes GET, HEAD, not POST; " + knownPaths, ""},
		{alone, "C4N4RY", "/events", 405, "this path takes GET, HEAD\n", "C4N4RY"},
		{alone, "GET", "/consumers", 404, "it needs -admin-addr", ""},
		{alone, "GET", "/debug/pprof/", 404, "it needs -admin-addr", ""},
		{alone, "POST", "/tickets", 404, "tickets exist only with -access", ""},
		{alone, "GET", "/tickets", 404, "tickets exist only with -access", ""},
		{alone, "POST", "/api/event", 404, "did you mean /api/events?", ""},
		{alone, "GET", "/Events", 404, "did you mean /events?", ""},
		{alone, "GET", "/events/", 404, "did you mean /events?", ""},
		{alone, "GET", "/healthz", 404, "did you mean /health?", ""},
		{alone, "GET", "/c4n4ry", 404, knownPaths, "did you mean"},
		{alone, "GET", "/" + strings.Repeat("c4n4ry", 300), 404, knownPaths, "did you mean"},

		{players, "GET", "/readyz", 404, "it is on the admin address", ""},
		{players, "GET", "/consumers", 404, "it is on the admin address", ""},
		{players, "GET", "/debug/pprof/heap", 404, "it is on the admin address", ""},
		{players, "GET", "/metrics", 405, "this path takes POST, not GET; GET is on the admin address", ""},
		{players, "GET", "/reject", 404, knownPaths, "did you mean"},
		{players, "POST", "/poc/nothing", 404, knownPaths, "address"},
		{players, "POST", "/poc/submit_update_events", 404, "did you mean /poc/submit_update_event?", ""},

		{ops, "GET", "/events", 404, "it is on the public port", ""},
		{ops, "GET", "/ws/p/u", 404, "it is on the public port", ""},
		{ops, "POST", "/api/events", 405, "; POST is on the public port", ""},
		{ops, "POST", "/metrics", 405, "this path takes GET, HEAD, not POST; POST is on the public port", ""},
		{ops, "GET", "/rejets", 404, "did you mean /rejects?", ""},
		{ops, "GET", "/console/nothing", 404, knownPaths, "public port"},
	} {
		a := tt.on.send(request(tt.method, tt.path, ""))
		if a.status != tt.status || !strings.Contains(a.body, tt.says) || tt.not != "" && strings.Contains(a.body, tt.not) || strings.Contains(a.body, "c4n4ry") {
			t.Errorf("%s %.40s = %d %q; want %d, %q, and nothing of %q", tt.method, tt.path, a.status, a.body, tt.status, tt.says, tt.not)
		}
	}
}

// With access there are tickets, on one of the two addresses.
func TestTicketsAreOnThePublicPort(t *testing.T) {
	t.Parallel()
	var gate *access.Gate
	_, change := withAccess(t, &gate, "")
	s := start(t, change, func(o *setup) { o.Admin = true })
	ops := &testServer{Server: s.Server, t: t, addr: s.serveOn(loopback(t), s.ServeAdmin)}
	if a := ops.send(request("POST", "/tickets", "")); a.status != 405 || !strings.Contains(a.body, "public port") {
		t.Errorf("POST /tickets to operators = %d %q; want where it is", a.status, a.body)
	}
}
