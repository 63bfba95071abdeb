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

// Window is the part of a run that is measured, from From to before To.
type Window struct{ From, To int64 }

// Holds reports whether something due at one time and done at another belongs
// to the window. What is still waiting when the window opens does: otherwise a
// server that falls far behind would have no latency at all.
func (w Window) Holds(due, done int64) bool { return done >= w.From && due < w.To }
