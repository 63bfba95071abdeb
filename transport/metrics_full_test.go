//go:build unix

package transport

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"event-dispatcher/broker"
	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/relay"
	"event-dispatcher/broker/session"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/screens"
)

// withRedis gives a server a relay and sessions over a Redis. Its relay delivers to
// a broker of its own.
func withRedis(t testing.TB) func(*setup) {
	config, err := redis.Parse(redistest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	service := session.NewService(session.ServiceOptions{})
	hub := screens.NewHub(screens.HubOptions{}, service)
	store := session.NewRedis(session.RedisOptions{Server: config, Lost: service.Logout})
	r := relay.New(relay.Options{Carrier: relay.OverRedis(config), Sink: ingest.Relayed{Broker: b}, Sessions: service, Tick: b.Tick})
	service.Tie(store, hub, r.OfferSession)
	t.Cleanup(func() {
		hub.Close()
		service.Close()
		r.Close()
		store.Close()
	})
	testkit.Eventually(t, "Redis is there", func() bool { return r.Up() && store.Up() })
	return func(s *setup) {
		s.Relay, s.Sessions, s.Screens, s.SessionStore = r, service, hub, screens.Store{Redis: store.Stats}
	}
}

// All families of a server with everything.
func TestAllMetricsPassTheLinter(t *testing.T) {
	t.Parallel()
	s := start(t, withRedis(t))
	s.upgrade("/ws/p/u")
	s.upgrade("/event-dispatcher")
	s.listen("/events")
	s.post("/metrics", "{}")
	s.post(submitPath, `{"username":"a","cardId":"c"}`)
	problems, err := testutil.GatherAndLint(s.operate.Registry())
	if err != nil || len(problems) > 0 {
		t.Errorf("GatherAndLint() = %v, %v; want nothing", problems, err)
	}
	testkit.Eventually(t, "both sockets are counted", func() bool {
		m := s.gather()
		return m["dispatcher_session_sockets"] == 1 && m["dispatcher_consumers{websocket}"] == 1
	})
}
