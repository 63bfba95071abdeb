// Package view is what a consumer asked for: which events, what of them, on which
// wire and how often.
package view

import (
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// A View is what a consumer asked for, normalised. Views are comparable: equal
// ones are served together, from one buffer.
type View struct {
	Shards broker.ShardSet
	Select *Select // nil: every event
	Shape  *Shape  // nil: the whole event
	Format wire.Format
	Pace   Pace
}

// A Select says which events a consumer wants. Equal ones are the same pointer.
type Select struct{}

// A Shape says what of an event a consumer wants. Equal ones are the same pointer.
type Shape struct{}

// A Pace says how often a consumer is written to. The zero Pace is as soon as it pays.
type Pace struct {
	// MaxDelay is how late events may be, for larger writes. Zero: as soon as
	// it pays.
	MaxDelay time.Duration

	// Every is the interval of conflation: at most one event per value of the
	// member Latest is written in it, the latest. Zero: no conflation.
	Every  time.Duration
	Latest string
}
