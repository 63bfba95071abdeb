package view

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// A View is what a consumer asked for, normalised. Views are comparable: two from
// the same [Registry] are equal if and only if the same thing was asked for, and
// equal ones are served together, from one buffer. The zero View has no shards;
// with all shards it is what consumers get who ask for nothing.
type View struct {
	Shards broker.ShardSet
	Select *Select // nil: every event
	Shape  *Shape  // nil: the whole event
	Format wire.Format
	Pace   Pace
}

// A Pace says how often a consumer is written to. The zero Pace is as soon as it pays.
type Pace struct {
	// MaxDelay is how late events may be, for larger writes: one of a few values.
	// Zero: as soon as it pays.
	MaxDelay time.Duration

	// Every is the interval of conflation: at most one event per value of the
	// member Latest is written in it, the latest. Zero: no conflation, and no Latest.
	Every  time.Duration
	Latest *Path
}
