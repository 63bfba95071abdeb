package stream

import (
	"testing"
	"time"
)

func TestPaceOfALoad(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tt := range []struct {
		name     string
		interval time.Duration
		events   int           // per sweep
		every    time.Duration // from sweep to sweep
		each     time.Duration // a sweep takes
		low, top time.Duration
		patient  bool
	}{
		// 100 consumers at 1,000 events/s: load 0.3.
		{"there is room", ms, 1, ms, 300 * time.Microsecond, 0, 0, false},
		{"just below", ms, 1, ms, 390 * time.Microsecond, 0, 0, false},
		// Half way from idle to full: load 0.525.
		{"half way", ms, 1, 400 * time.Microsecond, 210 * time.Microsecond, 490 * time.Microsecond, 510 * time.Microsecond, false},
		{"full", ms, 1, ms, ms, 990 * time.Microsecond, ms, false},
		// Batches of 10 that take a tenth of the time: what single sweeps would cost counts.
		{"batches", ms, 10, ms, 500 * time.Microsecond, ms, ms, false},
		{"far over", 5 * ms, 1000, ms, ms, 5 * ms, 5 * ms, false},
		{"switched off", -1, 1000, ms, ms, 0, 0, false},
		// Little work for each event, and many of them.
		{"patient", ms, 1, 200 * time.Microsecond, 10 * time.Microsecond, ms, ms, true},
		{"hasty", ms, 1, 200 * time.Microsecond, 10 * time.Microsecond, 0, 0, false},
		{"patient, few events", ms, 1, 2 * ms, 10 * time.Microsecond, 0, 0, true},
		{"patient, switched off", -1, 1, 200 * time.Microsecond, 10 * time.Microsecond, 0, 0, true},
	} {
		p := pace{interval: tt.interval}
		now := time.Unix(1000, 0)
		for range 2000 {
			start := now
			p.sweep(tt.events, start, start.Add(tt.each))
			now = now.Add(tt.every)
		}
		if got := p.pause(tt.patient); got < tt.low || got > tt.top {
			t.Errorf("%s: pause() = %v at load %.2f; want %v to %v", tt.name, got, p.load, tt.low, tt.top)
		}
	}
}

func TestPaceForgetsALoadAfterAPause(t *testing.T) {
	t.Parallel()
	p := pace{interval: time.Millisecond}
	if got := p.pause(false); got != 0 {
		t.Errorf("pause() = %v before the first sweep; want 0", got)
	}
	now := time.Unix(1000, 0)
	for range 1000 {
		p.sweep(10, now, now.Add(time.Millisecond))
		now = now.Add(time.Millisecond)
	}
	if got := p.pause(false); got != p.interval {
		t.Errorf("pause() = %v under full load; want %v", got, p.interval)
	}
	now = now.Add(time.Second)
	p.sweep(1, now, now.Add(time.Millisecond))
	if got := p.pause(false); got != 0 {
		t.Errorf("pause() = %v after the first sweep in a second; want 0", got)
	}
}

func TestClockTickIsNeverZero(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{KeepAlive: 1}, {Stall: 1}, {Stall: -1}, {KeepAlive: -1, Stall: 3}} {
		o.setDefaults()
		if got := o.clockTick(); got < time.Millisecond {
			t.Errorf("clockTick() = %v with keep-alive %v, stall %v; want 1 ms at least", got, o.KeepAlive, o.Stall)
		}
	}
}
