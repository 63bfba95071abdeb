package transport

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/screens"
)

// everywhere starts a server with everything, whose operators have a listener.
func everywhere(t *testing.T) (players, ops *testServer) {
	t.Helper()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.Admin = true })
	return s, &testServer{Server: s.Server, t: t, addr: s.serveOn(loopback(t), s.ServeAdmin)}
}

// sample is a path of the route.
func (r route) sample() string {
	prefix, _ := strings.CutSuffix(r.path, "*")
	return prefix + map[string]string{
		"/ws/*": "p/u", "/poc/replay_event_data/*": "u", "/debug/pprof/*": "heap", "/console/*": "console.js", "/poc/demo/*": "demo.js",
	}[r.path]
}

// Every path in the table is served where it says; what is not in it is nowhere.
func TestTableIsWhatIsServed(t *testing.T) {
	t.Parallel()
	players, ops := everywhere(t)
	routes := players.routes()
	for name, listener := range map[string]struct {
		*testServer
		on where
	}{"the players'": {players, public}, "the operators'": {ops, admin}} {
		here := map[string]bool{} // paths
		for _, r := range routes {
			on := r.on
			if on&operators != 0 {
				on = admin
			}
			here[r.sample()] = here[r.sample()] || on&listener.on != 0
		}
		for path, want := range here {
			if path == "/poc/" {
				continue // has nothing but the format of its refusals
			}
			a := listener.send(request("PURGE", path, ""))
			if a.status == 404 && want || a.status == 200 && !want {
				t.Errorf("PURGE %s on %s listener = %d; want it served: %v", path, name, a.status, want)
			}
		}
		for _, path := range []string{"//", "/x", "/console", "/console/", "/console/index.html", "/console/x.js", "/console/../x", "/poc/demo/", "/poc/demo/index.html", "/poc/demo/x.js", "/metric", "/metrics/", "/api", "/ws", "/debug/pprof", "/events/x", "/consumers/1", "/healthz"} {
			if a := listener.send(request("GET", path, "")); a.status != 404 {
				t.Errorf("GET %s on %s listener = %d %q; want 404", path, name, a.status, a.body)
			}
		}
	}
}

// What a path has but not for the method is said in Allow, in the order of the table.
func TestAllowIsTheMethodsOfThePath(t *testing.T) {
	t.Parallel()
	players, _ := everywhere(t)
	methods := map[string][]string{}
	for _, r := range players.routes() {
		if r.on&public != 0 && r.methods != "" {
			methods[r.sample()] = append(methods[r.sample()], r.methods)
		}
	}
	for path, want := range methods {
		a := players.send(request("PURGE", path, ""))
		if got := a.header.Get("Allow"); a.status != 405 || got != strings.Join(want, ", ") {
			t.Errorf("PURGE %s = %d, Allow %q; want 405, %q", path, a.status, got, want)
		}
	}
}

func TestRefusalsAreCountedByPath(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	for path, times := range map[string]int{"/metrics": 1, "/api/events": 2, "/poc/submit_update_event": 3} {
		for range times {
			s.send(request("POST", path, "{"))
		}
		at := slices.Index(s.paths, path)
		if got := s.refusals.By(refusal.InvalidJSON, at); got != uint64(times) {
			t.Errorf("refusals of %s, at %d of %q = %d; want %d", path, at, s.paths, got, times)
		}
	}
	s.send(request("GET", "/nowhere", ""))
	if got := s.refusals.By(refusal.NotFound, 0); got != 1 {
		t.Errorf("refusals of other paths = %d; want 1", got)
	}
	if got := s.refusals.Total(refusal.InvalidJSON); got != 6 {
		t.Errorf("refusals of all paths = %d; want 6", got)
	}
	if got := s.gather()[fmt.Sprintf("dispatcher_requests_rejected_total{%v}", refusal.InvalidJSON)]; got != 6 {
		t.Errorf("metric = %v; want 6", got)
	}
}
