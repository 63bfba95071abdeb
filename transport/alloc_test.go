//go:build !race

package transport

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
)

// Not parallel: other tests would be counted.
func TestEventCostsNoAllocation(t *testing.T) {
	const (
		warm, events = 2000, 20_000
		most         = 0.01
	)
	body := `{"event_name":"HEARTBEAT","session_id":"4c7a7d1e-0000-4000-8000-000000000000","timestamp":1763700000000,"version":1,"data":{"x":"` +
		string(bytes.Repeat([]byte("y"), 400)) + `"}}`
	for _, tt := range []struct {
		name, request string
		consumers     int
		change        func(*setup)
	}{
		{"metrics", request("POST", "/metrics", body, "Content-Type: text/plain;charset=UTF-8"), 0, nil},
		{"with a consumer", request("POST", "/metrics", body), 1, nil},
		{"pretty-printed", request("POST", "/metrics", "{\r\n}\r\n"), 0, nil},
		{"peer's address", request("POST", "/api/events", body), 0, nil},
		{"forwarded", request("POST", "/api/events", body, "X-Forwarded-For: 2001:db8::1, 10.0.0.1"), 0, nil},
		{"forwarded with a port", request("POST", "/api/events", body, "X-Forwarded-For: 198.51.100.7:1234"), 0, nil},
		{"allow-list", request("POST", "/metrics", body, "Origin: https://a.example"), 0, func(o *setup) { o.Origins = []string{"https://a.example"} }},
		{"shard key", request("POST", "/metrics", body), 0, func(o *setup) { o.broker.Shards, o.broker.ShardKey, o.broker.Bytes = 2, "session_id", 64<<20 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(o *setup) {
				if tt.change != nil {
					tt.change(o)
				}
			})
			for range tt.consumers {
				go io.Copy(io.Discard, s.listen("/events").conn)
			}
			conn := s.dial()
			req, buf := []byte(tt.request), make([]byte, 4096)
			post := func() {
				if _, err := conn.Write(req); err != nil {
					t.Fatal(err)
				}
				for n := 0; !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")); {
					m, err := conn.Read(buf[n:])
					if err != nil {
						t.Fatalf("the answer: %v", err)
					}
					n += m
				}
				if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200 ")) {
					t.Fatalf("answer = %q; want 200", buf)
				}
			}
			for range warm {
				post()
			}
			// A collection empties the pools, whose refilling is not steady state.
			defer debug.SetGCPercent(debug.SetGCPercent(-1))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range events {
				post()
			}
			runtime.ReadMemStats(&after)
			if per := float64(after.Mallocs-before.Mallocs) / events; per > most {
				t.Errorf("allocations per POST = %.3f, bytes %.1f; want at most %v", per, float64(after.TotalAlloc-before.TotalAlloc)/events, most)
			}
		})
	}
}
