package operate

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
)

func TestHealthTellsOfAPipelineThatDoesNotMove(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	op := New(Options{Broker: b})
	op.Started()
	for _, tt := range []struct {
		waiting             time.Duration
		health, ready, live int
	}{
		{wedgedAfter, 200, 200, 200},
		{wedgedAfter + 1, 503, 503, 200},
		{stuckAfter, 503, 503, 200},
		{stuckAfter + 1, 503, 503, 503},
		{0, 200, 200, 200},
	} {
		op.waiting = func() time.Duration { return tt.waiting }
		var health, ready, live fasthttp.RequestCtx
		op.Health(&health)
		var got map[string]any
		if err := json.Unmarshal(health.Response.Body(), &got); err != nil {
			t.Errorf("Health() with events waiting for %v = %q: %v; want JSON", tt.waiting, health.Response.Body(), err)
		}
		if status := health.Response.StatusCode(); status != tt.health || len(got) != 9 || got["message"] != "PONG" {
			t.Errorf("Health() with events waiting for %v = %d %v; want %d and the usual keys", tt.waiting, status, got, tt.health)
		}
		op.Ready(&ready)
		if status := ready.Response.StatusCode(); status != tt.ready {
			t.Errorf("Ready() with events waiting for %v = %d; want %d", tt.waiting, status, tt.ready)
		}
		op.Live(&live)
		if status := live.Response.StatusCode(); status != tt.live {
			t.Errorf("Live() with events waiting for %v = %d; want %d", tt.waiting, status, tt.live)
		}
	}
}
