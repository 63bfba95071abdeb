package transport

import (
	"encoding/json"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

func TestOperatorsPathsAreWhereTheyBelong(t *testing.T) {
	t.Parallel()
	alone := start(t)
	public := start(t, func(o *setup) { o.Admin = true })
	admin := &testServer{Server: public.Server, t: t, addr: public.serveOn(loopback(t), public.ServeAdmin)}
	for _, tt := range []struct {
		method, path                 string
		alone, public, adminListener int
	}{
		{"GET", "/metrics", 200, 405, 200},
		{"HEAD", "/metrics", 200, 405, 200},
		{"POST", "/metrics", 200, 200, 405},
		{"OPTIONS", "/metrics", 204, 204, 405},
		{"POST", "/api/events", 200, 200, 405},
		{"GET", "/health", 200, 200, 200},
		{"GET", "/livez", 200, 404, 200},
		{"GET", "/readyz", 200, 404, 200},
		{"GET", "/consumers", 404, 404, 200},
		{"POST", "/consumers", 404, 404, 405},
		{"GET", "/debug/pprof/", 404, 404, 200},
		{"GET", "/debug/pprof/cmdline", 404, 404, 404}, // flags may have passwords
		{"GET", "/debug/pprof/heap", 404, 404, 200},
		{"GET", "/debug/pprof/x/../heap", 404, 404, 404},
		{"GET", "//debug/pprof/heap", 404, 404, 404},
		{"GET", "/debug/pprof", 404, 404, 404},
		{"GET", "/events?shards=9", 400, 400, 404},
		{"GET", "/", 200, 200, 200},
		{"HEAD", "/", 200, 200, 200},
		{"OPTIONS", "/", 204, 204, 204}, // balancers
		{"POST", "/", 405, 405, 405},
		{"GET", "/console/stats", 200, 404, 200},
		{"GET", "/console/console.js", 200, 404, 200},
	} {
		for name, s := range map[string]struct {
			*testServer
			want int
		}{"alone": {alone, tt.alone}, "public": {public, tt.public}, "admin": {admin, tt.adminListener}} {
			a := s.send(request(tt.method, tt.path, map[string]string{"POST": "{}"}[tt.method]))
			if a.status != s.want {
				t.Errorf("%s %s on the %s listener = %d %.60q; want %d", tt.method, tt.path, name, a.status, a.body, s.want)
			}
			if got := a.header.Get("Access-Control-Allow-Origin"); name == "admin" && got != "" && tt.path != "/health" {
				t.Errorf("%s %s for operators: Access-Control-Allow-Origin = %q; want none", tt.method, tt.path, got)
			}
		}
	}
	for _, req := range []string{"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"} {
		if got := admin.send(req).header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%q for operators: Access-Control-Allow-Origin = %q; want none", req, got)
		}
	}
}

func TestOperatorsSeeTheConsumers(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.Admin = true })
	admin := &testServer{Server: s.Server, t: t, addr: s.serveOn(loopback(t), s.ServeAdmin)}
	type list struct {
		Consumers []struct {
			Wire      string `json:"wire"`
			ID        uint64 `json:"id"`
			Address   string `json:"address"`
			Delivered uint64 `json:"delivered"`
			Skipped   uint64 `json:"skipped"`
			Lag       uint64 `json:"lag"`
			Shards    []int  `json:"shards"`
			UpToDate  bool   `json:"up_to_date"`
		} `json:"consumers"`
	}
	get := func() (l list) {
		a := admin.send(request("GET", "/consumers", ""))
		d := json.NewDecoder(strings.NewReader(a.body))
		if err := d.Decode(&l); err != nil || a.header.Get("Content-Type") != "application/json" {
			t.Fatalf("GET /consumers = %q, %v; want JSON", a.body, err)
		}
		return l
	}
	if got := admin.send(request("GET", "/consumers", "")).body; got != "{\"consumers\":[]}\n" {
		t.Errorf("GET /consumers without any = %q; want an empty list", got)
	}
	c, socket := s.listen("/events"), s.upgrade("/events")
	s.post("/metrics", "1")
	c.event()
	socket.frame()
	testkit.Eventually(t, "the consumers are up to date", func() bool {
		l := get()
		for _, c := range l.Consumers {
			if !c.UpToDate || c.Delivered != 1 {
				return false
			}
		}
		return len(l.Consumers) == 2
	})
	for i, want := range []struct{ wire, address string }{
		{"sse", c.conn.LocalAddr().String()}, {"websocket", socket.conn.LocalAddr().String()},
	} {
		if got := get().Consumers[i]; got.Wire != want.wire || got.Address != want.address || got.ID == 0 || got.Lag != 0 || got.Skipped != 0 || len(got.Shards) != 1 {
			t.Errorf("consumer %d = %+v; want %v, no lag, one shard", i, got, want)
		}
	}
}
