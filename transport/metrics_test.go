package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
)

func TestMetricsPassTheLinter(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.listen("/events")
	s.post("/metrics", "{}")
	families, err := s.operate.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	a := s.send(request("GET", "/metrics", ""))
	problems, err = promlint.New(strings.NewReader(a.body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the exposition: %v, %v; want no problem", problems, err)
	}
}

func TestEveryReasonHasItsCounterFromTheStart(t *testing.T) {
	t.Parallel()
	s := start(t)
	m := s.gather()
	seen := map[string]bool{}
	for r := range refusal.Count {
		label := r.String()
		if label == "" || r.Text() == "" || http.StatusText(r.Status()) == "" || r.Status() < 400 || seen[label] {
			t.Errorf("reason %d is %q, %d, %q; want a label of its own, a status and a text", r, label, r.Status(), r.Text())
		}
		seen[label] = true
		if v, ok := m["dispatcher_requests_rejected_total{"+label+"}"]; !ok || v != 0 {
			t.Errorf("dispatcher_requests_rejected_total{%s} = %v, %v; want 0, true", label, v, ok)
		}
	}
	for _, why := range stream.Reasons() {
		if v, ok := m["dispatcher_consumers_closed_total{"+why.String()+"}"]; !ok || v != 0 {
			t.Errorf("dispatcher_consumers_closed_total{%s} = %v, %v; want 0, true", why, v, ok)
		}
	}
}

func TestScrapeWorksBesideIngest(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.Version = "v1.2.3" })
	a := s.send(request("GET", "/metrics", "", "Origin: https://a.example", "Accept-Encoding: gzip"))
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("GET /metrics = %d, %v; want 200 and the exposition format", a.status, a.header)
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("GET /metrics has %s; want no CORS header", name)
		}
	}
	a = s.send(request("GET", "/metrics", ""))
	for _, want := range []string{`dispatcher_build_info{go_version="go`, `version="v1.2.3"} 1`, "\ngo_goroutines ", "\nprocess_open_fds "} {
		if !strings.Contains(a.body, want) {
			t.Errorf("GET /metrics has no %q", want)
		}
	}
	if a := s.send(request("HEAD", "/metrics", "")); a.status != 200 || a.body != "" {
		t.Errorf("HEAD /metrics = %d %q; want 200 without a body", a.status, a.body)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if a := s.send(request(method, "/metrics", "")); a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
			t.Errorf("%s /metrics: Allow = %q; want all four", method, a.header.Get("Allow"))
		}
	}
}

// Delivered, skipped and still to come are all there is, also while a consumer
// does not read.
func TestTheBooksBalance(t *testing.T) {
	t.Parallel()
	const events, size, consumers = 4000, 1000, 3
	s := start(t, func(o *setup) {
		o.MaxBody = 4 << 10
		o.broker.MaxEvent, o.broker.Bytes = 4<<10+ingest.MaxAddedBytes, 1<<20
	})
	reading := []*consumer{s.listen("/events"), s.listen("/events")}
	stalled := s.listen("/events")
	stalled.conn.SetReadBuffer(32 << 10)
	for _, c := range reading {
		go io.Copy(io.Discard, c.br)
	}
	s.flood(events, size)
	balance := func() (delivered, skipped, lag float64) {
		m := s.gather()
		for _, c := range s.pool.Inspect() {
			lag += float64(c.Lag)
		}
		if got := m["dispatcher_events_published_total"]; got != events {
			t.Fatalf("dispatcher_events_published_total = %v; want %v", got, events)
		}
		return m["dispatcher_events_delivered_total"], m["dispatcher_events_skipped_total"], lag
	}
	testkit.Eventually(t, "the consumers that read have it all", func() bool {
		d, sk, lag := balance()
		return d+sk+lag == consumers*events && s.gather()["dispatcher_consumers_lagging"] <= 1
	})
	go io.Copy(io.Discard, stalled.br)
	testkit.Eventually(t, "nothing is still to come", func() bool {
		d, sk, lag := balance()
		return d+sk == consumers*events && lag == 0
	})
	s.pool.Drain(context.Background(), 0, 0)
	if m := s.gather(); m["dispatcher_consumers"] != 0 || m["dispatcher_consumers_closed_total{drained}"] != consumers {
		t.Errorf("consumers after the drain = %v open, %v drained; want 0, %d", m["dispatcher_consumers"], m["dispatcher_consumers_closed_total{drained}"], consumers)
	}
}

// flood publishes numbered events over one connection.
func (s *testServer) flood(events, size int) {
	s.t.Helper()
	conn := s.dial()
	defer conn.Close()
	answers := make(chan error, 1)
	const ok = "HTTP/1.1 200 OK\r\n"
	go func() {
		var read strings.Builder
		_, err := io.Copy(&read, conn)
		if n := strings.Count(read.String(), ok); err == nil && n != events {
			err = fmt.Errorf("%d of %d events were accepted", n, events)
		}
		answers <- err
	}()
	for i := range events {
		body := fmt.Sprintf(`{"n":%d,"pad":"`, i)
		io.WriteString(conn, request("POST", "/metrics", body+strings.Repeat("x", max(0, size-len(body)-2))+`"}`))
	}
	conn.CloseWrite()
	if err := <-answers; err != nil {
		s.t.Fatalf("flood(%d, %d): %v", events, size, err)
	}
}
