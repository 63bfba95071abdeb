package transport

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"event-dispatcher/transport/operate"
)

func TestHealthHasExactlyTheKeysOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	number, size := regexp.MustCompile(`^\d+$`), regexp.MustCompile(`^\d+ MiB$`)
	want := map[string]*regexp.Regexp{
		"alloc": size, "sys": size, "total_alloc": size,
		"live_objects": number, "num_gc": number, "num_goroutines": number, "pause_total_ns": number,
	}
	for _, method := range []string{"GET", "POST", "PUT", "OPTIONS", "DELETE"} {
		before := time.Now().UnixMilli()
		a := s.send(request(method, "/health", ""))
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s /health = %d, %v; want 200, JSON, CORS", method, a.status, a.header)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatalf("%s /health = %q: %v", method, a.body, err)
		}
		if got["message"] != "PONG" {
			t.Errorf("message = %v; want PONG", got["message"])
		}
		if ms, ok := got["timestamp"].(float64); !ok || int64(ms) < before || int64(ms) > time.Now().UnixMilli() {
			t.Errorf("timestamp = %v; want the Unix milliseconds of now as a number", got["timestamp"])
		}
		for key, form := range want {
			if v, ok := got[key].(string); !ok || !form.MatchString(v) {
				t.Errorf("%s = %#v; want a string like %s", key, got[key], form)
			}
		}
		if len(got) != len(want)+2 {
			t.Errorf("keys = %q; want message, timestamp and %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
	if a := s.send(request("HEAD", "/health", "")); a.status != 200 || a.body != "" {
		t.Errorf("HEAD /health = %d %q; want 200 without a body", a.status, a.body)
	}
}

func TestProbesAnswerForTheStateOfTheService(t *testing.T) {
	t.Parallel()
	var degraded []string
	s := start(t, func(o *setup) { o.Degraded = func() []string { return degraded } })
	check := func(state string, ready int, want map[string]any) {
		t.Helper()
		a := s.send(request("GET", "/readyz", ""))
		var got map[string]any
		json.Unmarshal([]byte(a.body), &got)
		if a.status != ready || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: /readyz = %d %q; want %d %v", state, a.status, a.body, ready, want)
		}
		if a := s.send(request("GET", "/livez", "")); a.status != 200 || a.body != "ok\n" {
			t.Errorf("%s: /livez = %d %q; want 200", state, a.status, a.body)
		}
	}
	check("serving", 200, map[string]any{"status": "ready"})
	degraded = []string{"redis"}
	check("without Redis", 200, map[string]any{"status": "degraded", "degraded": []any{"redis"}})
	s.operate.SetState(operate.Draining)
	check("draining", 503, map[string]any{"status": "draining"})
	s.operate.SetState(operate.Starting)
	check("starting", 503, map[string]any{"status": "starting"})
	s.operate.SetState(operate.Ready)
	check("serving again", 200, map[string]any{"status": "degraded", "degraded": []any{"redis"}})

	for _, path := range []string{"/livez", "/readyz"} {
		if a := s.send(request("POST", path, "")); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s = %d, Allow %q; want 405, GET, HEAD", path, a.status, a.header.Get("Allow"))
		}
		a := s.send(request("GET", path, "", "Origin: https://a.example"))
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("GET %s: Access-Control-Allow-Origin = %q; want none", path, got)
		}
	}
}
