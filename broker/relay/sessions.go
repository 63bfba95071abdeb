package relay

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/ring"
	"event-dispatcher/broker/session"

	"go.uber.org/zap"
)

// A SessionSink is where session events of other instances go. It must not wait;
// it is called by one goroutine.
type SessionSink interface {
	DeliverSession(session.Event)
}

// SessionReasons are what can be wrong with a message on the sessions' channel.
var SessionReasons = [...]string{"json", "utf8", "field", "too_large"}

const (
	badSessionJSON = iota
	badSessionUTF8
	badSessionField
	badSessionSize
)

// OfferSession publishes a session event to the other instances, the original
// service's included, as one JSON message. It does not wait.
func (r *Relay) OfferSession(e session.Event) {
	e.Origin = r.origin.String()
	r.sessions.publisher.outbox.offer(0, r.options.now(), [][]byte{e.JSON()})
}

// packSessions makes a message of each event. What stands last in the text is the
// origin: its sequence is put behind it, so that instances of ours find what they
// missed, and nobody else need know.
func packSessions(shard int, first uint64, b *ring.Batch) []message {
	messages := make([]message, b.Events)
	for i := range messages {
		event, sequence := b.Event(i), first+uint64(i)
		text := make([]byte, 0, len(event)+21)
		text = append(text, event[:len(event)-len(`"}`)]...)
		text = append(text, sequenceMark)
		text = strconv.AppendUint(text, sequence, 10)
		text = append(text, `"}`...)
		messages[i] = message{text, shard, sequence, 1, b.At(i)}
	}
	return messages
}

// sequenceMark stands between an origin, which is hexadecimal, and a sequence.
const sequenceMark = '.'

// splitOrigin is the reverse of what packSessions does. Older versions and the
// original have no sequence.
func splitOrigin(text string) (origin string, sequence uint64, ok bool) {
	origin, digits, found := strings.Cut(text, string(sequenceMark))
	sequence, err := strconv.ParseUint(digits, 10, 63)
	return origin, sequence, found && err == nil
}

var errSessionSize = errors.New("a session event that no instance would have taken")

// maxSession is the size of the largest message on the sessions' channel: a body with
// the names that were not in it, and its text with what JSON may write longer (U+2028
// in six bytes instead of three).
func (o *Options) maxSession() int { return 2*o.MaxEvent + 4<<10 }

// A sessionReceiver turns messages into session events. It is one goroutine.
type sessionReceiver struct {
	self string
	sink SessionSink
	max  int // bytes of a message
	from *subscriber
	log  *zap.Logger

	missed func() // called when events may have been missed; it does not wait

	// Owned by run.
	recent    recent
	origins   origins[string]
	overflows uint64 // of the inbox: those that missed was called for

	// Written by run, read by Stats.
	received   atomic.Uint64
	duplicates atomic.Uint64 // events that had come before
	gaps       atomic.Uint64 // events that never came
	errors     [len(SessionReasons)]atomic.Uint64
}

// again reports whether an event has come before, and counts those that are missing
// before it.
func (r *sessionReceiver) again(origin string, sequence uint64) bool {
	o := r.origins.hear(origin, time.Now())
	at, known := o.places[0]
	if !known {
		at.next = sequence // what is the first to come is the beginning
	}
	if sequence < at.next {
		if !at.strayed(sequence, 1, o.seen) {
			o.places[0] = at
			return true
		}
		logStray(r.log, origin, sequence)
	}
	if n := sequence - at.next; n > 0 && n < maxGap {
		r.gaps.Add(n)
		r.missed()
	}
	o.places[0] = place{next: sequence + 1}
	return false
}

func (r *sessionReceiver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-r.from.inbox.arrivals:
			r.from.inbox.took(a)
			r.receive(a.text)
			if lost := r.from.inbox.overflows.Load(); lost != r.overflows && len(r.from.inbox.arrivals) == 0 {
				r.overflows = lost // no later message may come and tell of them
				r.missed()
			}
		}
	}
}

// isOwn reports whether a text ends as packSessions has this instance's end: to decode a large
// one is work.
func (r *sessionReceiver) isOwn(text string) bool {
	rest, ok := strings.CutSuffix(text, `"}`)
	at := strings.LastIndexByte(rest, sequenceMark)
	return ok && at > 0 && strings.HasSuffix(rest[:at], `"origin":"`+r.self)
}

func (r *sessionReceiver) receive(text string) {
	if r.isOwn(text) {
		return
	}
	var e session.Event
	err := errSessionSize
	if len(text) <= r.max {
		e, err = session.Decode([]byte(text))
	}
	if err != nil {
		reason := badSessionJSON
		switch {
		case err == errSessionSize:
			reason = badSessionSize
		case errors.Is(err, session.ErrNotUTF8):
			reason = badSessionUTF8
		case errors.Is(err, session.ErrField):
			reason = badSessionField
		}
		r.errors[reason].Add(1)
		r.log.Warn("relay: a message on the sessions' channel is not an event",
			zap.String("reason", SessionReasons[reason]), zap.Error(err), zap.Int("bytes", len(text)))
		return
	}
	origin, sequence, numbered := splitOrigin(e.Origin)
	if origin == r.self {
		return
	}
	// Instances of ours publish again what had no answer; the original does not.
	e.Origin = origin
	if numbered && r.again(origin, sequence) || !numbered && origin != "" && r.recent.again(e.ID) {
		r.duplicates.Add(1)
		return
	}
	r.received.Add(1)
	r.sink.DeliverSession(e)
}
