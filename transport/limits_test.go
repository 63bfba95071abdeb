package transport

import "testing"

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
