package transport

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

func TestConsoleMayTalkToItsServiceOnly(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.Admin = true })
	admin := s.serveOn(loopback(t), s.ServeAdmin)
	ops := &testServer{Server: s.Server, t: t, addr: admin}
	_, port, _ := net.SplitHostPort(s.addr)
	for host, want := range map[string]string{
		"ops.example:81": "ops.example:" + port, "127.0.0.1": "127.0.0.1:" + port, "[::1]:81": "*:" + port, "a;script-src": "*:" + port, "*": "*:" + port,
	} {
		a := ops.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if a.status == 400 {
			continue // no host name: refused before
		}
		got := a.header.Get("Content-Security-Policy")
		if !strings.Contains(got, "connect-src 'self' "+want+";") || !strings.HasPrefix(got, "default-src 'none'; script-src 'self'; style-src 'self'; ") {
			t.Errorf("GET / for host %q: policy %q; want nothing but the service and %s", host, got, want)
		}
	}
	a := ops.send(request("GET", "/console/console.js", ""))
	if a.header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("ETag") == "" {
		t.Errorf("GET /console/console.js = %v; want a script that is nothing else", a.header)
	}
}

func TestConsoleOffSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ConsoleOff = true })
	if a := s.send(request("GET", "/", "")); a.status != 200 || !strings.Contains(a.body, "GET  /events") {
		t.Errorf("GET / = %d %q; want the endpoints", a.status, a.body)
	}
	for _, path := range []string{"/console/console.js", "/console/x"} {
		if a := s.send(request("GET", path, "")); a.status != 404 {
			t.Errorf("GET %s = %d; want 404", path, a.status)
		}
	}
}

func TestConsoleFiguresAreThoseOfTheService(t *testing.T) {
	t.Parallel()
	s := start(t)
	consumer := s.listen("/events?shards=0&name=wall")
	for range 3 {
		if a := s.send(request("POST", "/metrics", `{"a":1}`)); a.status != 200 {
			t.Fatalf("POST = %d", a.status)
		}
		if got := consumer.event(); got != `{"a":1}` {
			t.Fatalf("event = %q", got)
		}
	}
	s.send(request("POST", "/metrics", "nonsense"))
	var f struct {
		Now, Started                                          int64
		Ready, Version                                        string
		Received, Published, Delivered, Skipped, StreamsTotal uint64
		Rejected, Consumers                                   map[string]uint64
		Latency                                               struct {
			Bounds []float64
			Counts []uint64
			Count  uint64
		}
		Ring        struct{ Events uint64 }
		PublicPorts []string `json:"public_ports"`
		Relay       any
		Streams     []map[string]any
	}
	testkit.Eventually(t, "the deliveries are counted", func() bool {
		a := s.send(request("GET", "/console/stats?streams=5", ""))
		if err := json.Unmarshal([]byte(a.body), &f); err != nil || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("GET /console/stats = %q, %v; want JSON", a.body, err)
		}
		return f.Delivered == 3 && len(f.Streams) == 1 && f.Streams[0]["delivered"] == 3.0 // streams are told of later
	})
	_, port, _ := net.SplitHostPort(s.addr)
	switch {
	case f.Now < f.Started || f.Started == 0 || f.Ready != "ready" || f.Relay != nil:
		t.Errorf("figures = %+v; want a service that is ready and alone", f)
	case f.Received != 4 || f.Published != 3 || f.Rejected["invalid_json"] != 1 || f.Ring.Events != 3:
		t.Errorf("figures = %+v; want 4 received, 3 published, 1 refused", f)
	case f.Consumers["sse"] != 1 || f.Consumers["websocket"] != 0 || len(f.Streams) != 1:
		t.Errorf("figures = %+v; want one consumer", f)
	case f.Latency.Count != 3 || !slices.IsSorted(f.Latency.Bounds) || !slices.IsSorted(f.Latency.Counts) || len(f.Latency.Bounds) != len(f.Latency.Counts):
		t.Errorf("latency = %+v; want 3 in rising buckets", f.Latency)
	case !slices.Equal(f.PublicPorts, []string{port}):
		t.Errorf("public_ports = %v; want %s", f.PublicPorts, port)
	}
	if _, ok := f.Streams[0]["address"]; ok || f.Streams[0]["delivered"] != 3.0 || f.Streams[0]["name"] != "wall" {
		t.Errorf("streams = %v; want 3 delivered, the name it gives itself and no address", f.Streams)
	}
	if a := s.send(request("GET", "/console/stats", "")); strings.Contains(a.body, `"streams":`) {
		t.Errorf("GET /console/stats = %s; want no streams unless they are asked for", a.body)
	}
}
