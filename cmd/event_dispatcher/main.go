// Command event_dispatcher takes JSON events by POST and streams them, live, to
// everybody who listens.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/broker/session"
	"event-dispatcher/cmd/event_dispatcher/config"
	"event-dispatcher/cmd/event_dispatcher/process"
	"event-dispatcher/transport"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/subscribe"
)

func main() {
	process.Harden()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains. From then on signals do what they do by
	// default, so the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	switch err := run(ctx, os.Args[1:], os.Stderr); {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, config.ErrUsage):
		process.Say(os.Stderr, fmt.Sprintf("event_dispatcher: %v\nevent_dispatcher -h lists the flags", err))
		os.Exit(2)
	default:
		process.Say(os.Stderr, fmt.Sprint("event_dispatcher: ", err))
		os.Exit(1)
	}
}

// run serves until ctx is done, then drains. It owns what it starts: when it
// returns, none of its goroutines is left. Tests call it too.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "token" {
		return config.Token(args[1:], os.Stdout)
	}
	cfg, err := config.Parse(args, os.Getenv, os.Stdout)
	switch {
	case err != nil:
		return err
	case cfg.Version:
		_, err := fmt.Println("event_dispatcher", process.Version(), runtime.Version())
		return err
	case cfg.Print:
		return cfg.Write(os.Stdout)
	case cfg.HealthURL != "":
		return process.Probe(ctx, cfg.HealthURL)
	}
	people := cfg.LogFormat == "text" || cfg.LogFormat == "auto" && process.Terminal(stderr)
	log, lines := process.NewLogger(cfg.LogLevel, people, stderr)
	defer lines.Close()
	memory, err := process.ObeyMemoryLimit()
	if err != nil {
		log.Debug("no memory limit to obey", zap.Error(err))
	}
	descriptors, _ := process.Descriptors()
	notes, err := cfg.Fit(memory, descriptors)
	if err != nil {
		return err
	}
	process.Profile(cfg.ProfileRate)
	defer process.CollectOften()()

	if cfg.Streams.Loops == 0 {
		cfg.Streams.Loops = min(stream.DefaultLoops(), config.MaxLoops)
	}
	cfg.Broker.Readers = cfg.Streams.Loops + config.OtherReaders
	b, err := broker.New(cfg.Broker)
	if err != nil {
		return fmt.Errorf("%w: -ring-bytes, -shards, -max-body, -loops do not fit together: %w", config.ErrUsage, err)
	}
	// A loop that writes to many sockets keeps a processor busy without letting the
	// scheduler look at the network: give ingest its own.
	defer process.AddProcessors(cfg.Streams.Loops)()
	cfg.Streams.Log, cfg.Streams.Address, cfg.Streams.Elsewhere = log, cfg.Transport.UserIP.Logged, cfg.Drain.Lead > 0
	if descriptors > 0 {
		cfg.Streams.Descriptors = descriptors - front.ReservedDescriptors
	}
	pool, err := stream.New(b, cfg.Streams)
	if err != nil {
		return fmt.Errorf("start writer loops: %w", err)
	}
	defer pool.Close()
	doors, err := process.OpenDoors(cfg.Files, subscribe.CheckView(b, cfg.Transport.Views), log)
	if err != nil {
		return fmt.Errorf("%w: %w", config.ErrUsage, err)
	}
	defer doors.Close()
	cfg.Sockets.Loops = pool
	limits := cfg.Limits(memory, descriptors)
	if cfg.Check {
		warn(log, cfg, notes)
		limits.Log(log, b.Shards())
		_, err := fmt.Println("configuration OK")
		return err
	}
	shared := share(cfg, b, log, pool.Demand)
	defer shared.close()
	public, admin, err := process.Listen(ctx, cfg.Addrs, cfg.AdminAddr)
	if err != nil {
		return err
	}
	warn(log, cfg, notes) // once the start is sure: an error stands alone
	if admin == nil {
		process.ForgoMemoryProfile()
	}
	o := cfg.Transport
	o.Admin = admin != nil // also if systemd opened it
	o.Version, o.Log, o.Descriptors = process.Version(), log, descriptors
	o.Degraded = shared.degraded
	o.Relay, o.Sessions, o.Screens, o.SessionStore = shared.relay, shared.sessions, shared.screens, shared.stats
	o.Sources = []metric.Source{lines, limits}
	o.Gate, o.Certificate, o.AdminCertificate = doors.Gate, doors.Public, doors.Admin
	srv := transport.New(b, pool, o)

	var serving sync.WaitGroup
	failed := make(chan error, len(public)+1)
	news := log.Info
	if people {
		news = log.Debug // the welcome says it
	}
	for _, ln := range public {
		news("listening", zap.Stringer("address", ln.Addr()))
		serving.Go(func() { failed <- srv.Serve(ln) })
	}
	if admin != nil {
		news("listening for operators", zap.Stringer("address", admin.Addr()))
		serving.Go(func() { failed <- srv.ServeAdmin(admin) })
	}
	alive, die := context.WithCancel(context.WithoutCancel(ctx)) // until the end of the drain
	defer die()
	process.Ready(alive, srv.Moves)
	if people {
		w := process.Welcome{
			Version: process.Version(), Public: public[0].Addr(), TLS: doors.Public != nil,
			AdminTLS: doors.Admin != nil, ConsoleOff: cfg.Transport.ConsoleOff, Open: doors.Open(), Limits: limits.String(),
		}
		if admin != nil {
			w.Admin = admin.Addr()
		}
		_, _ = lines.Write([]byte(w.String())) // Lines never fail
	} else {
		limits.Log(log, b.Shards())
		doors.Log(log, admin != nil)
	}

	select {
	case err = <-failed: // a listener broke: let the others end in order, too
		log.Error("a listener failed", zap.Error(err))
	case <-ctx.Done():
		log.Info("shutting down", zap.Duration("at_most", cfg.Drain.Timeout), zap.Duration("lead", cfg.Drain.Lead))
	}

	process.Stopping()
	start := time.Now()
	// ctx is already done, so the deadline needs a context of its own.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain.Timeout)
	defer cancel()
	if err == nil {
		srv.Unready()
		select {
		case err = <-failed:
			log.Error("a listener failed", zap.Error(err))
		case <-time.After(cfg.Drain.Lead):
		}
	}
	drain(deadline, cfg, srv, pool, shared)
	serving.Wait()
	shared.close()
	log.Info("shut down", zap.Duration("took", time.Since(start)))
	return err
}

// warn says what is not as somebody may have meant it. notes are about limits.
func warn(log *zap.Logger, cfg *config.Config, notes []string) {
	for _, note := range notes {
		log.Warn("limits: " + note)
	}
	if cfg.Transport.ClientRate > 0 && len(cfg.Transport.TrustedProxies) == 0 {
		log.Warn("-client-rate without -trusted-proxies: whoever sends X-Forwarded-For chooses whose rate is used up; name the proxies, or 192.0.2.1/32 if there are none")
	}
	if len(cfg.Idle) > 0 {
		log.Warn("flags ignored: they need -redis", zap.Strings("flags", cfg.Idle))
	}
	if cfg.Mixes != "" {
		log.Warn("deployments may mix: " + cfg.Mixes)
	}
	if names := cfg.Lookalikes(os.Environ()); len(names) > 0 {
		log.Warn("environment variables that nothing reads, and that look like flags: correct or remove them", zap.Strings("variables", names))
	}
}

// drain ends everything the way events flow: it stops intake, lets consumers catch up, and
// closes their streams. What is still open at ctx's deadline is cut.
func drain(ctx context.Context, cfg *config.Config, srv *transport.Server, pool *stream.Pool, shared *sharing) {
	log := cfg.Streams.Log
	intake, stopIntake := context.WithTimeout(ctx, 2*time.Second)
	if err := srv.Drain(intake); err != nil {
		log.Info("connections were still open when intake ended", zap.Error(err))
	}
	stopIntake()
	shared.drain(ctx, log)
	if cfg.Drain.Silence > 0 && shared.relay != nil {
		shared.relay.Hush() // or other instances' events end the silence
	}
	var ending sync.WaitGroup
	ending.Go(func() { shared.screens.Drain(ctx, cfg.Drain.Window) })
	pool.Drain(ctx, cfg.Drain.Silence, cfg.Drain.Window)
	ending.Wait()
	// Operators may watch until the end; they are not waited for.
	now, cancel := context.WithCancel(ctx)
	cancel()
	srv.CloseAdmin(now)
}

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
	cfg.Sockets.Log, cfg.Sockets.UserIP = log, cfg.Transport.UserIP
	s := &sharing{sessions: session.NewService(cfg.Service)}
	s.screens = screens.NewHub(cfg.Sockets, s.sessions)
	o := cfg.Relay
	o.Sink, o.Tick, o.Shards, o.Demand, o.Log = ingest.Relayed{Broker: b}, b.Tick, b.Shards(), demand, log
	var store session.Store
	closeStore := func() {}
	if cfg.Redis != nil {
		shared := session.NewRedis(session.RedisOptions{
			Options:        cfg.Sessions,
			Server:         *cfg.Redis,
			Prefix:         cfg.RedisPrefix,
			MaxReplayBytes: cfg.Sockets.QueueBytes,
			Lost:           s.sessions.Logout,
			Log:            log,
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
