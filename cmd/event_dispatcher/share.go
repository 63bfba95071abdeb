package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/broker/session"
	"event-dispatcher/cmd/event_dispatcher/config"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/screens"
)

// sharing is what concerns users' screens and other instances.
type sharing struct {
	sessions *session.Service
	screens  *screens.Hub
	relay    *relay.Relay // nil: this instance is alone
	stats    screens.Store
	refuses  func() bool // Redis takes no writes; nil: there is none
	close    func()
}

// degraded is what does not work although the service does, for /readyz.
func (s *sharing) degraded() (kinds []string) {
	if s.relay != nil {
		kinds = s.relay.Degraded()
	}
	if s.refuses != nil && s.refuses() && !slices.Contains(kinds, "redis") {
		kinds = append(kinds, "redis")
	}
	return kinds
}

// share starts the sessions, and the relay if there are other instances; neither waits
// for Redis or NATS. demand is the shards that have consumers.
func share(cfg *config.Config, b *broker.Broker, log *zap.Logger, demand func() broker.ShardSet) *sharing {
	cfg.Sockets.Log = log
	s := &sharing{sessions: session.NewService(cfg.Service)}
	s.screens = screens.NewHub(cfg.Sockets, s.sessions)
	o := cfg.Relay
	o.Sink, o.Tick, o.Shards, o.Demand, o.Log = ingest.Relayed{Broker: b}, b.Tick, b.Shards(), demand, log
	var store session.Store
	closeStore := func() {}
	if cfg.Redis != nil {
		shared := session.NewRedis(session.RedisOptions{
			Options: cfg.Sessions,
			Server:  *cfg.Redis,
			Prefix:  cfg.RedisPrefix,
			Lost:    s.sessions.Logout,
			Log:     log,
		})
		store, s.stats.Redis, s.refuses, closeStore = shared, shared.Stats, shared.Refuses, shared.Close
		o.Carrier, o.Sessions, o.Resubscribed = relay.OverRedis(*cfg.Redis), s.sessions, s.sessions.Resubscribed
	} else {
		alone := session.NewMemory(cfg.Sessions)
		store, s.stats.Memory = alone, alone.Stats
	}
	if cfg.NATS != nil {
		o.SessionCarrier, o.Carrier = o.Carrier, relay.OverNATS(*cfg.NATS)
	}
	tell := func(session.Event) {}
	closeRelay := func() {}
	if o.Carrier != nil {
		s.relay = relay.New(o)
		closeRelay = s.relay.Close
		if o.Sessions != nil {
			tell = s.relay.OfferSession
		}
	}
	s.sessions.Tie(store, s.screens, tell)
	s.close = sync.OnceFunc(func() {
		s.screens.Close()
		s.sessions.Close()
		closeRelay()
		closeStore()
	})
	return s
}

// drain waits until the other instances have what was accepted here: not long if
// nobody takes it.
func (s *sharing) drain(ctx context.Context, log *zap.Logger) {
	if s.relay == nil {
		return
	}
	patience := 5 * time.Second
	if !s.relay.Up() {
		patience = time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.relay.Drain(ctx); err != nil {
		log.Warn("accepted events were not sent to other instances", zap.Error(err))
	}
}
