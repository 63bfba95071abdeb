package relay

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"
	"unicode/utf8"
	"unsafe"

	json "github.com/goccy/go-json"
	"go.uber.org/zap"

	check "event-dispatcher/broker/event"
)

// A Sink is where events of other instances go. Its methods must not wait; they
// are called by one goroutine.
type Sink interface {
	// Deliver publishes one event: valid JSON, valid UTF-8, without CR or LF.
	// The bytes are borrowed until return. shard is what the origin gave to
	// Offer, modulo [Options.Shards]: events of the same shard were in one order
	// there.
	Deliver(shard int, event []byte) error

	// Skip says that n events of other instances, of a shard as in Deliver, were
	// lost on their way. It comes before the events that came after them. If it
	// fails, it is called again, and nothing is delivered to that shard before.
	Skip(shard int, n uint64) error
}

const (
	maxGap    = 1 << 40                // a larger one is nonsense; a week of an instance may be 1<<36
	skipPause = 500 * time.Millisecond // until Skip is called again if it failed
)

// A receiver turns envelopes into events for the sink. It is one goroutine.
type receiver struct {
	// Fixed before run.
	self     Origin
	sink     Sink
	maxEvent int
	from     *subscriber
	log      *zap.Logger

	// Owned by run.
	origins origins[Origin] // Stats reads how many are here
	owed    []uint64        // by shard of the sink: lost events that it was not told of

	// Written by run, read by Stats.
	received   atomic.Uint64 // events that the sink took
	duplicates atomic.Uint64 // events that had come before
	gaps       [len(GapReasons)]atomic.Uint64
	errors     [len(DecodeReasons)]atomic.Uint64
	silence    atomic.Int64 // ns; see Stats
	hushed     atomic.Bool  // see Relay.Hush
}

// GapReasons are why an event of another instance did not reach the sink.
var GapReasons = [...]string{"lost", "invalid", "refused"}

const (
	gapLost    = iota // on the way: dropped by the origin, by the carrier or by us
	gapInvalid        // not JSON
	gapRefused        // by the sink
)

// DecodeReasons are what can be wrong with a message on the firehose's channel.
var DecodeReasons = [...]string{"foreign", "version", "truncated", "sequence", "too_large", "json", "utf8"}

const (
	badForeign = iota
	badVersion
	badTruncated
	badSequence
	badTooLarge
	badJSON
	badUTF8
)

// run receives until ctx is done.
func (r *receiver) run(ctx context.Context) {
	tick := time.NewTicker(skipPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.settle()
			return
		case a := <-r.from.inbox.arrivals:
			r.from.inbox.took(a)
			if !r.hushed.Load() {
				r.receive(a)
			}
		case <-tick.C:
			r.settle()
			r.silence.Store(int64(r.longestSilence(time.Now())))
		}
	}
}

// longestSilence is of the origins that may still be there. Where nobody is heard,
// nobody is silent.
func (r *receiver) longestSilence(now time.Time) (longest time.Duration) {
	const gone = time.Minute
	since, heard := r.from.standsSince()
	if !heard {
		return 0
	}
	for _, o := range r.origins.known {
		if silent := now.Sub(o.seen); silent < gone && !o.gone {
			longest = max(longest, min(silent, now.Sub(since)))
		}
	}
	return longest
}

// settle tells the sink of the lost events that it could not be told of before.
func (r *receiver) settle() {
	if r.hushed.Load() {
		return
	}
	for shard := range r.owed {
		r.tell(shard)
	}
}

// tell reports whether the sink knows of all lost events of a shard.
func (r *receiver) tell(shard int) bool {
	n := r.owed[shard]
	if n > 0 && r.sink.Skip(shard, n) == nil {
		r.owed[shard] = 0
	}
	return r.owed[shard] == 0
}

// receive handles one message.
func (r *receiver) receive(a arrival) {
	// The string came from the socket for us alone. Its bytes are only read.
	e, err := decode(unsafe.Slice(unsafe.StringData(a.text), len(a.text)))
	if err != nil {
		r.bad(err, len(a.text))
		return
	}
	if e.origin == r.self {
		return
	}
	if e.isFarewell() {
		r.origins.part(e.origin)
		return
	}
	o := r.origins.hear(e.origin, time.Now())
	if a.base && e.shard > 0 {
		// It has that many shards, and, unless it is of an older version, a
		// channel for each.
		r.from.learn(e.shard + 1)
		if e.count == 0 {
			return
		}
	}
	at, known := o.places[e.shard]
	if !known || at.term != a.term {
		// The first message of an origin, or after a time unsubscribed, sets the
		// expected sequence.
		at = place{next: e.first, term: a.term}
		o.places[e.shard] = at
	}
	shard := e.shard % len(r.owed)
	if e.next() <= at.next { // all seen before
		if !at.strayed(e.first, e.count, o.seen) {
			o.places[e.shard] = at
			r.duplicates.Add(uint64(e.count))
			return
		}
		r.errors[badSequence].Add(1)
		logStray(r.log, e.origin.String(), e.first)
	}
	switch ahead := e.first - at.next; {
	case e.first > at.next && ahead > maxGap:
		r.bad(errSequence, len(a.text))
		return
	case e.first > at.next:
		r.lose(gapLost, shard, ahead)
	}
	seq := e.first
	for event := range e.all {
		if seq >= at.next {
			r.deliver(shard, event)
		} else {
			r.duplicates.Add(1)
		}
		seq++
	}
	o.places[e.shard] = place{next: e.next(), term: a.term}
	r.tell(shard)
}

// deliver checks one event as if it were posted here.
func (r *receiver) deliver(shard int, event []byte) {
	why := -1
	switch {
	case len(event) > r.maxEvent:
		why = badTooLarge
	case !utf8.Valid(event):
		why = badUTF8
	case !json.Valid(event):
		why = badJSON
	}
	if why >= 0 {
		r.errors[why].Add(1)
		r.log.Warn("relay: an event of another instance is not valid",
			zap.String("reason", DecodeReasons[why]), zap.Int("bytes", len(event)))
		r.lose(gapInvalid, shard, 1)
		return
	}
	if bytes.IndexByte(event, '\n') >= 0 || bytes.IndexByte(event, '\r') >= 0 {
		event = bytes.Clone(event) // it is borrowed
		check.OneLine(event)
	}
	// Report lost events first, so that consumers see the gap in its place.
	if !r.tell(shard) || r.sink.Deliver(shard, event) != nil {
		r.lose(gapRefused, shard, 1)
		return
	}
	r.received.Add(1)
}

func (r *receiver) lose(reason, shard int, n uint64) {
	r.gaps[reason].Add(n)
	r.owed[shard] += n
}

// logStray says that a place was wrong.
func logStray(log *zap.Logger, origin string, at uint64) {
	log.Warn("relay: an instance is behind what came as if it were from it: somebody else publishes in its name; from now on its events count again",
		zap.String("origin", origin), zap.Uint64("sequence", at))
}

// bad counts a message that is no envelope of ours. What it stood for, if
// anything, shows as a gap before the next one.
func (r *receiver) bad(err error, size int) {
	reason := badForeign
	switch err {
	case errVersion:
		reason = badVersion
	case errTruncated:
		reason = badTruncated
	case errSequence:
		reason = badSequence
	}
	r.errors[reason].Add(1)
	r.log.Warn("relay: ignored a message that no instance sent: somebody else, or another version, publishes on -redis-channel",
		zap.String("reason", DecodeReasons[reason]), zap.Error(err), zap.Int("bytes", size))
}
