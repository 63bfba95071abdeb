package stream

import "time"

// pace decides how long a loop pauses between two sweeps. A pause costs latency
// and saves writes, so it pays only when events arrive so fast that a sweep for
// each of them would keep the loop busy all the time:
//
//	load = events per second × seconds per sweep
//
// Below idle there is no pause; it grows from there and reaches the flush
// interval at full. A loop that feeds 100 consumers at 1,000 events/s has a load
// of 0.3 to 0.45, at 2,000 events/s twice that.
//
// Where every herd is patient (it selects, holds back or compresses) an event costs few
// writes or none, and being woken for it costs as much. There the pause is whole as soon
// as an event comes in each.
type pace struct {
	interval time.Duration // the longest pause; 0 or less means none

	since  time.Time     // start of the current window
	events int           // events swept in the window
	sweeps int           // sweeps in the window
	busy   time.Duration // time spent sweeping in the window
	load   float64       // of the last windows, smoothed
	rate   float64       // events per second of them
}

const (
	paceWindow = 10 * time.Millisecond
	idleLoad   = 0.4
	fullLoad   = 0.65
)

// sweep notes a sweep that took events from start to now.
func (p *pace) sweep(events int, start, now time.Time) {
	p.events += events
	p.sweeps++
	p.busy += now.Sub(start)
	span := now.Sub(p.since)
	if span < paceWindow {
		return
	}
	each := p.busy.Seconds() / float64(p.sweeps)
	rate := float64(p.events) / span.Seconds()
	load := rate * each
	// After a long pause the past says nothing.
	if keep := 0.7; span < 10*paceWindow {
		load = keep*p.load + (1-keep)*load
		rate = keep*p.rate + (1-keep)*rate
	}
	p.load, p.rate, p.since = load, rate, now
	p.events, p.sweeps, p.busy = 0, 0, 0
}

// pause is how long to wait before the next sweep.
func (p *pace) pause(patient bool) time.Duration {
	switch {
	case p.interval <= 0:
		return 0
	case patient && p.rate*p.interval.Seconds() >= 1:
		return p.interval
	case p.load <= idleLoad:
		return 0
	}
	return time.Duration(min((p.load-idleLoad)/(fullLoad-idleLoad), 1) * float64(p.interval))
}
