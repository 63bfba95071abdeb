// Package scenario plays one run from the first connection to the balanced
// ledger:
//
//	baseline → consumers join → players begin → warm-up → measured window
//	→ players stop → misbehaving consumers read on → quiet → accounts closed
//
// Whatever goes wrong on the way ends the run early, never without a report.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"event-dispatcher/bench/load/clock"
	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/consumer"
	"event-dispatcher/bench/load/crowd"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/idle"
	"event-dispatcher/bench/load/ledger"
	"event-dispatcher/bench/load/player"
	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/load/report"
)

// run is what the stages share.
type run struct {
	cfg      *config.Config
	progress io.Writer
	clock    clock.Clock
	id       uint32
	book     ledger.Book
	report   *report.Report

	consumers *consumer.Consumers
	players   *player.Players
	sockets   *idle.Sockets
	crowd     *crowd.Crowd
	varied    []*event.Varied // by lane, with -varied
	begin     int64
	window    clock.Window
	latest    sample // the last that could be taken
}

// Run plays the scenario. The report is never nil; if the run failed it says
// why and holds what there was until then.
func Run(ctx context.Context, cfg *config.Config, progress io.Writer) *report.Report {
	// Loops sleep in the kernel and must not wait for a processor of the Go
	// scheduler when they wake.
	cores := runtime.NumCPU()
	runtime.GOMAXPROCS(cores + cfg.PlayerThreads + cfg.ConsumerThreads + 2)

	r := &run{cfg: cfg, progress: progress, clock: clock.New(), id: rand.Uint32()}
	r.report = &report.Report{
		Label: cfg.Label, Started: time.Now(), Go: runtime.Version(), Machine: probe.ReadMachine(cores),
		Command: os.Args, Config: cfg, Errors: []string{}, Warnings: []string{},
	}
	if err := r.play(ctx); err != nil {
		r.report.Partial = true
		r.report.Fail(err)
	}
	r.report.Judge()
	return r.report
}

func (r *run) play(ctx context.Context) error {
	for _, pid := range r.cfg.PIDs {
		if !probe.Alive(pid) {
			return fmt.Errorf("process %d does not run", pid)
		}
	}
	if err := r.rehearse(ctx); err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	memory, err := probe.ReadMemory(r.cfg.PIDs)
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	r.report.Memory.Baseline, r.report.Memory.Peak = memory, memory

	if err := r.join(ctx); err != nil {
		return err
	}
	err = r.measure(ctx)
	settleErr := r.settle(err != nil && ctx.Err() == nil)
	if errors.Is(err, errPlayers) && settleErr != nil {
		err = nil // players have said it themselves
	}
	return errors.Join(err, settleErr)
}

// rehearse has sockets come and go. A server may have garbage of its start that it gives
// back only after such a wave.
func (r *run) rehearse(ctx context.Context) error {
	if r.cfg.Rehearsal == 0 {
		return nil
	}
	opt := idle.Options{Target: r.cfg.ListenTargets[0], Path: r.cfg.SocketPath, Sockets: r.cfg.Rehearsal}
	s, err := idle.Open(ctx, opt, 10*time.Second)
	if err != nil {
		return err
	}
	s.Close()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(7 * time.Second):
		return nil
	}
}

func (r *run) join(ctx context.Context) error {
	cfg := r.cfg
	path := cfg.Stream
	if cfg.Query != "" {
		path += "?" + cfg.Query
	}
	roles := consumer.Roles(cfg.Consumers, cfg.Sample, cfg.Stalled, cfg.Slow, cfg.Reconnect)
	if cfg.Opaque {
		for i := range roles {
			roles[i] = consumer.Opaque
		}
	}
	c, err := consumer.New(&consumer.Options{
		Targets: cfg.ListenTargets, Path: path, Wire: cfg.Wire, Foreign: cfg.Foreign, Envelope: cfg.StreamEnvelope,
		Sources:  sources(cfg.Consumers/1000 + 1),
		Roles:    roles,
		Threads:  cfg.ConsumerThreads,
		Gap:      cfg.Gap,
		Uniform:  cfg.Uniform(),
		SlowRate: cfg.SlowRate, StallFor: cfg.StallFor, StallForever: cfg.StallForever, StallAtOnce: cfg.StallAtOnce,
		ReturnEvery: cfg.ReconnectEvery,
		Run:         r.id, Clock: r.clock, Book: &r.book,
	})
	if err != nil {
		return err
	}
	r.consumers = c
	if cfg.Consumers > 0 {
		if err := c.Join(10*time.Second, ctx.Done()); err != nil {
			c.Close(r.book.Totals())
			return err
		}
	}
	if cfg.Sockets > 0 {
		opt := idle.Options{Target: cfg.ListenTargets[0], Path: cfg.SocketPath, Sockets: cfg.Sockets}
		if r.sockets, err = idle.Open(ctx, opt, 10*time.Second); err != nil {
			c.Close(r.book.Totals())
			return err
		}
	}
	for lane := range cfg.Conns {
		if cfg.Varied > 0 {
			r.varied = append(r.varied, event.NewVaried(lane, cfg.Conns, cfg.Varied, cfg.Size))
		}
	}
	if len(cfg.Crowd) > 0 {
		opt := crowd.Options{URL: "http://" + cfg.ListenTargets[0].String(), Path: cfg.Stream, Specs: cfg.Crowd, Sources: r.varied, Run: r.id, StallFor: cfg.CrowdStall, StayFor: cfg.CrowdStay}
		if r.crowd, err = crowd.Open(ctx, opt, 30*time.Second); err != nil {
			c.Close(r.book.Totals())
			return err
		}
	}
	if cfg.Consumers+cfg.Sockets > 0 {
		time.Sleep(200 * time.Millisecond) // for the server to put its handshakes away
	}
	r.report.Memory.Joined, err = probe.ReadMemory(cfg.PIDs)
	return err
}

// sources returns addresses of this machine to connect from, so that neither
// ports nor limits per address run out. All are written with as many digits,
// because a server may add them to events whose size is counted on.
func sources(n int) [][4]byte {
	var out [][4]byte
	for i := range min(n, 100) {
		out = append(out, [4]byte{127, 0, 0, byte(100 + i)})
	}
	return out
}

// afterglow is how long players go on after the window, so that reading the
// figures at its end does not find them stopped already.
const afterglow = 50 * time.Millisecond

func (r *run) startPlayers() error {
	cfg := r.cfg
	r.begin = r.clock.Now() + int64(20*time.Millisecond)
	r.window = clock.Window{From: r.begin + int64(cfg.Warmup), To: r.begin + int64(cfg.Warmup+cfg.Duration)}
	r.consumers.Begin(r.window)
	if !cfg.Players() {
		return nil
	}
	from := 1
	if cfg.PerEvent || cfg.Unload > 0 {
		from = 100 // ports of closed connections rest for a while
	}
	viewers := 1
	if cfg.Sessions {
		// So many that each has a heartbeat per period at the given rate.
		viewers = max(1, int(cfg.Rate.PerSecond*cfg.Heartbeat.Seconds())/cfg.Conns)
		viewers = min(viewers, 1_000_000/cfg.Conns)
	}
	var err error
	r.players, err = player.Start(&player.Options{
		Targets: cfg.Targets, Path: cfg.Post, Sources: sources(from),
		Foreign: cfg.Foreign, Envelope: cfg.PostEnvelope, Conns: cfg.Conns, Depth: cfg.Pipeline, Threads: cfg.PlayerThreads,
		Rate: cfg.Rate.PerSecond, PerEvent: cfg.PerEvent, Unload: cfg.Unload,
		Grace: 5 * time.Second,
		Run:   r.id, Clock: r.clock, Begin: r.begin, Window: r.window, Book: &r.book,
		NewSource: func(i int) event.Source {
			if cfg.Varied > 0 {
				return r.varied[i]
			}
			if cfg.Sessions {
				return event.NewSessions(viewers, uint64(i))
			}
			return event.NewFixed(cfg.Size)
		},
	}, r.window.To+int64(afterglow))
	return err
}
