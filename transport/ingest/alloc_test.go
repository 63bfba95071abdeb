//go:build !race

package ingest

import (
	"testing"

	"event-dispatcher/broker"
	"event-dispatcher/broker/event"
)

// A batch may cost a few allocations, its events none.
func TestEventsOfABatchCostNoAllocation(t *testing.T) {
	for kind, request := range kinds(t) {
		log, err := broker.New(broker.Options{})
		if err != nil {
			t.Fatal(err)
		}
		players := newPlayers(log)
		players.stamps = StampTime | StampID
		players.anywhere = event.NewNames(players.stamps.names()...)
		handler := handlerOf(players, kind)
		for range 100 { // buffers have grown, and the ring has been around
			if status := request.to(handler); status >= 300 {
				t.Fatalf("%s: %d %s", kind, status, request.ctx.Response.Body())
			}
		}
		if n := testing.AllocsPerRun(20, func() { request.to(handler) }); n > batchOf/100 {
			t.Errorf("%s: %v allocations for %d events", kind, n, batchOf)
		}
	}
}
