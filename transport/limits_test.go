package transport

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestClientOverItsLimitIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ClientRate = 1 })
	for i, tt := range []struct {
		client string
		status int
	}{
		{"198.51.100.1", 200},
		{"198.51.100.1", 429},
		{"198.51.100.2", 200},
		{"2001:db8::1", 200},
		{"2001:db8::ffff", 429}, // the same /64
		{"2001:db8:0:1::1", 200},
		{"garbage", 200}, // the peer
		{"garbage", 429},
	} {
		a := s.send(request("POST", "/metrics", "{}", "X-Forwarded-For: "+tt.client))
		if a.status != tt.status {
			t.Errorf("POST %d of %s = %d %q; want %d", i, tt.client, a.status, a.body, tt.status)
		}
		if (a.status == 429) != (a.header.Get("Retry-After") != "" && a.reason() == "client_limit") {
			t.Errorf("POST %d of %s = %d %q, Retry-After %q; want Retry-After and client_limit with 429", i, tt.client, a.status, a.body, a.header.Get("Retry-After"))
		}
	}
}

func TestServiceOverItsLimitIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.IngestRate = 0.001 })
	s.post("/metrics", "{}")
	for _, path := range []string{"/metrics", "/api/events"} {
		a := s.send(request("POST", path, "{}"))
		if a.status != 503 || a.reason() != "overloaded" || a.header.Get("Retry-After") == "" {
			t.Errorf("POST %s over the limit = %d %q; want 503 with Retry-After", path, a.status, a.body)
		}
	}
}

func TestTableOfClientsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(0, 1)
		client := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)) }
		for i := range maxLimitedClients {
			if !l.allowClient(client(i), time.Now()) {
				t.Fatalf("allowClient(%v) = false; want true for the first event", client(i))
			}
		}
		// A newcomer shares the crowd's limit while all others are active.
		if a, b := l.allowClient(client(1<<20), time.Now()), l.allowClient(client(1<<20+1), time.Now()); !a || b {
			t.Errorf("two newcomers = %v, %v; want one event between them", a, b)
		}
		if n := len(l.clients); n != maxLimitedClients {
			t.Errorf("clients = %d; want %d", n, maxLimitedClients)
		}
		// Looking for room is not repeated for every newcomer.
		evicted := l.evicted
		time.Sleep(time.Second - 1)
		l.allowClient(client(1<<20+2), time.Now())
		if l.evicted != evicted {
			t.Errorf("the table was walked again after %v; want once a second", time.Second-1)
		}
		time.Sleep(2 * time.Second)
		if !l.allowClient(client(1<<20+3), time.Now()) || len(l.clients) > 1 {
			t.Errorf("clients when all others are gone = %d; want the newcomer only", len(l.clients))
		}
	})
}
