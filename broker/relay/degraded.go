package relay

import (
	"slices"
	"time"
)

// What is more than this is worth telling an operator. An instance says something every
// second, and what it publishes takes milliseconds.
const (
	longSilence = 5 * time.Second
	longDelay   = 2 * time.Second
	longUnheard = 3 * time.Second // also while a subscription is new
)

// Up reports whether this instance publishes, and hears what it wants of the others.
func (r *Relay) Up() bool { return r.firehose.up() && (r.options.Sessions == nil || r.sessions.up()) }

func (l *lane) up() bool { return l.publisher.isUp() && l.subscriber.well() }

// Carrier is the kind of the firehose's carrier.
func (r *Relay) Carrier() string { return r.firehose.carrier.Kind() }

// Degraded are the kinds of the carriers that do not do what Up says, or that answer
// and do not carry: another instance was there and has gone silent without a farewell,
// events take long, or what is published is not even heard here. Two instances that
// talk to different servers find out by that: neither server knows.
func (r *Relay) Degraded() (kinds []string) {
	f := &r.firehose
	if !f.up() || time.Duration(r.receiver.silence.Load()) > longSilence || f.late() || f.unheard() {
		kinds = append(kinds, f.carrier.Kind())
	}
	if r.options.Sessions != nil && (!r.sessions.up() || r.sessions.late()) && !slices.Contains(kinds, r.sessions.carrier.Kind()) {
		kinds = append(kinds, r.sessions.carrier.Kind())
	}
	return kinds
}

// late reports whether events wait for long before they go.
func (l *lane) late() bool { return time.Duration(l.publisher.delay.Load()) > longDelay }

// unheard reports whether nobody gets what is published, although this instance itself
// listens to all of it: its two connections go to different servers.
func (l *lane) unheard() bool {
	return l.publisher.receivers.Load() == 0 && l.subscriber.hearsAll(longUnheard)
}
