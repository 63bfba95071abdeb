package scenario

import (
	"context"
	"fmt"
	"time"

	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/load/report"
)

// sample is the state of everything at one instant.
type sample struct {
	at        int64
	accepted  uint64
	started   uint64
	events    float64
	bytes     uint64
	server    time.Duration
	generator time.Duration
	machine   time.Duration
	threads   map[int]time.Duration
	memory    probe.Memory
}

func (r *run) sample() (s sample, err error) {
	s.at = r.clock.Now()
	totals := r.book.Totals()
	s.accepted, s.started = totals.Accepted, totals.Started
	c := r.consumers.Stats()
	s.events, s.bytes = c.Events, c.Bytes
	if s.server, err = probe.ProcessesCPU(r.cfg.PIDs); err != nil {
		return s, fmt.Errorf("the server is gone: %w", err)
	}
	for _, pid := range r.cfg.PIDs {
		if !probe.Alive(pid) {
			return s, fmt.Errorf("the server, process %d, is gone", pid)
		}
	}
	if s.generator, err = probe.ProcessCPU(0); err != nil {
		return s, err
	}
	if s.machine, err = probe.Busy(); err != nil {
		return s, err
	}
	s.threads = make(map[int]time.Duration)
	tids := r.consumers.Threads()
	if r.players != nil {
		tids = append(tids, r.players.Threads()...)
	}
	for _, tid := range tids {
		// A thread that has ended was not the bottleneck.
		if cpu, err := probe.ThreadCPU(tid); err == nil && tid != 0 {
			s.threads[tid] = cpu
		}
	}
	s.memory, err = probe.ReadMemory(r.cfg.PIDs)
	peak := &r.report.Memory.Peak
	peak.Resident = max(peak.Resident, s.memory.Resident)
	peak.TCPBuffers = max(peak.TCPBuffers, s.memory.TCPBuffers)
	peak.Slab = max(peak.Slab, s.memory.Slab)
	return s, err
}

// measure runs the players through warm-up and window. An error means that the
// window was not completed; what it had is in the report.
func (r *run) measure(ctx context.Context) error {
	if err := r.startPlayers(); err != nil {
		return err
	}
	if err := r.wait(ctx, r.window.From); err != nil {
		return err
	}
	first, err := r.sample()
	if err != nil {
		return err
	}
	r.report.Memory.Begin = first.memory
	err = r.wait(ctx, r.window.To)
	last, sampleErr := r.sample()
	if sampleErr != nil {
		// A dead server has no CPU time: the last second it was seen alive
		// is what there is.
		if last = r.latest; err == nil {
			err = sampleErr
		}
	}
	if last.at > first.at {
		r.figures(first, last)
	}
	return err
}

// wait follows the run until an instant, step by step, and tells about it
// every second.
func (r *run) wait(ctx context.Context, until int64) error {
	const step = 250 * time.Millisecond
	before, err := r.sample()
	if err != nil {
		return err
	}
	told := before
	for {
		left := time.Duration(until - r.clock.Now())
		if left <= 0 {
			return nil
		}
		next := before.at + int64(step)
		if err := r.watch(ctx, min(left, time.Duration(next-r.clock.Now()))); err != nil {
			return err
		}
		if r.clock.Now() < next {
			continue
		}
		now, err := r.sample()
		if err != nil {
			return err
		}
		r.report.Series = append(r.report.Series, r.difference(before, now))
		if now.at-told.at > int64(time.Second-step/2) {
			r.tell(r.difference(told, now))
			told = now
		}
		before, r.latest = now, now
	}
}

// watch sleeps and notices what makes going on pointless.
func (r *run) watch(ctx context.Context, d time.Duration) error {
	const look = 100 * time.Millisecond
	var done <-chan struct{}
	if r.players != nil {
		done = r.players.Done()
	}
	for end := r.clock.Now() + int64(d); ; {
		left := time.Duration(end - r.clock.Now())
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-done:
			if r.clock.Now() < r.window.To {
				return errPlayers
			}
			done = nil
		case <-time.After(min(look, left)):
		}
		misbehaving := int64(r.cfg.Stalled + r.cfg.Slow)
		if s := r.consumers.Stats(); s.Ended > misbehaving && s.Ended*2 > int64(r.cfg.Consumers) {
			return fmt.Errorf("the server ended %d of %d streams after %.1f s", s.Ended, r.cfg.Consumers, float64(r.clock.Now()-r.begin)/1e9)
		}
	}
}

func (r *run) difference(before, now sample) report.Step {
	seconds := float64(now.at-before.at) / 1e9
	return report.Step{
		At:         float64(now.at-r.begin) / 1e9,
		Posts:      float64(now.accepted-before.accepted) / seconds,
		Deliveries: (now.events - before.events) / seconds,
		ServerCPU:  (now.server - before.server).Seconds() / seconds,
		Resident:   now.memory.Resident,
		TCPBuffers: now.memory.TCPBuffers,
	}
}

// tell writes a line of progress.
func (r *run) tell(s report.Step) {
	stage := "warm-up "
	if r.begin+int64(s.At*1e9) > r.window.From {
		stage = "measured"
	}
	fmt.Fprintf(r.progress, "%s %5.1f s  %8.0f POST/s  %10.0f deliveries/s  server %.2f cores, %d MiB\n",
		stage, s.At, s.Posts, s.Deliveries, s.ServerCPU, s.Resident>>20)
}

// figures fills in what is a difference between the ends of the window.
func (r *run) figures(first, last sample) {
	seconds := float64(last.at-first.at) / 1e9
	posts := float64(last.accepted - first.accepted)
	deliveries := last.events - first.events
	rep := r.report
	rep.Seconds = seconds
	rep.Memory.End = last.memory
	if r.players != nil {
		rep.Posts = &report.Posts{Rate: posts / seconds, Published: float64(last.started-first.started) / seconds}
	}
	rep.Deliveries = &report.Deliveries{
		Rate:  deliveries / seconds,
		Bytes: float64(last.bytes-first.bytes) / seconds,
	}
	server := (last.server - first.server).Seconds()
	rep.CPU = report.CPU{
		Server:    max(server/seconds, 0),
		Generator: (last.generator - first.generator).Seconds() / seconds,
		Machine:   (last.machine - first.machine).Seconds() / seconds,
		Cores:     rep.Machine.Cores,
	}
	if posts > 0 {
		rep.CPU.PerPost = max(server*1e6/posts, 0)
	}
	if deliveries > 0 {
		rep.CPU.PerDelivery = max(server*1e6/deliveries, 0)
	}
	for tid, cpu := range last.threads {
		rep.CPU.BusyThread = max(rep.CPU.BusyThread, (cpu-first.threads[tid]).Seconds()/seconds)
	}
	if n := int64(r.cfg.Consumers + r.cfg.Sockets); n > 0 {
		more := rep.Memory.Joined
		if !r.cfg.Players() {
			more = last.memory // settled by now
		}
		more = more.Sub(rep.Memory.Baseline)
		rep.Memory.PerConsumer = probe.Memory{Resident: more.Resident / n, TCPBuffers: more.TCPBuffers / n, Slab: more.Slab / n}
	}
}
