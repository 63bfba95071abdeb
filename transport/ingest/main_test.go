package ingest

import (
	"testing"

	"go.uber.org/goleak"

	"event-dispatcher/broker"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/refusal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newPlayers has the handlers over a broker, without limits and other instances.
func newPlayers(b *broker.Broker) *Players {
	addresses := &client.Addresses{}
	return New(Options{
		Broker: b, Addresses: addresses, Rates: client.NewRates(0, 0, addresses, nil), MaxBody: 256 << 10, MaxBatch: 4 << 20,
		Refusals: refusal.NewDesk(func([]byte) refusal.Route { return refusal.Route{} }),
	})
}
