// Package clock tells the time of a run: nanoseconds since it began, on the
// monotonic clock, the same for players and consumers.
package clock

import "time"

// Clock counts from its epoch.
type Clock struct{ epoch time.Time }

// New returns a clock that reads 0 now.
func New() Clock { return Clock{epoch: time.Now()} }

// Now returns nanoseconds since the run began.
func (c Clock) Now() int64 { return int64(time.Since(c.epoch)) }

// Window is the part of a run that is measured: what was due in [From, To).
type Window struct{ From, To int64 }

// Holds reports whether t lies in the window.
func (w Window) Holds(t int64) bool { return t >= w.From && t < w.To }
