package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"event-dispatcher/bench/load/event"
)

func TestTargetsAreEventsInTheProductionMix(t *testing.T) {
	const n = 4000
	var out bytes.Buffer
	if err := write(&out, "http://127.0.0.1:3569/metrics", n, 100, 7); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]int)
	agents := make(map[string]bool)
	size := 0
	for line := range strings.Lines(out.String()) {
		var tg target
		if err := json.Unmarshal([]byte(line), &tg); err != nil {
			t.Fatalf("%v in %.100q", err, line)
		}
		if tg.Method != "POST" || tg.URL != "http://127.0.0.1:3569/metrics" {
			t.Fatalf("target is %s %s", tg.Method, tg.URL)
		}
		var ev struct {
			EventName string `json:"event_name"`
			SessionID string `json:"session_id"`
		}
		if err := json.Unmarshal(tg.Body, &ev); err != nil || len(ev.SessionID) != 36 {
			t.Fatalf("body is no event (%v): %.200q", err, tg.Body)
		}
		if tag, ok := event.Parse(tg.Body); !ok || !tag.Intact(tg.Body) {
			t.Fatalf("event is not intact: %.200q", tg.Body)
		}
		names[ev.EventName]++
		agents[tg.Header.Get("User-Agent")] = true
		size += len(tg.Body)
	}
	if got := names["START"] + names["HEARTBEAT"] + names["STOP"] + names["ERROR"]; got != n {
		t.Errorf("events are %v, want %d", names, n)
	}
	if share := float64(names["HEARTBEAT"]) / n; share < 0.85 || share > 0.95 {
		t.Errorf("share of heartbeats is %.2f, want about 0.9", share)
	}
	if len(agents) != 3 {
		t.Errorf("%d kinds of players, want 3", len(agents))
	}
	if mean := size / n; mean < 500 || mean > 1500 {
		t.Errorf("mean size is %d bytes", mean)
	}
}

func TestTheSameSeedWritesTheSameTargets(t *testing.T) {
	var a, b, c bytes.Buffer
	for _, w := range []struct {
		out  *bytes.Buffer
		seed uint64
	}{{&a, 1}, {&b, 1}, {&c, 2}} {
		if err := write(w.out, "http://127.0.0.1:1/metrics", 50, 5, w.seed); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != b.String() || a.String() == c.String() {
		t.Error("targets do not follow from the seed")
	}
	if err := write(&a, "", 0, 1, 1); err == nil {
		t.Error("no complaint about 0 targets")
	}
}
