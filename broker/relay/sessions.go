package relay

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

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

// packSessions makes a message of each event.
func packSessions(shard int, first uint64, b *ring.Batch) []message {
	messages := make([]message, b.Events)
	for i := range messages {
		messages[i] = message{bytes.Clone(b.Event(i)), shard, first + uint64(i), 1, b.At(i)}
	}
	return messages
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

	recent recent // owned by run

	// Written by run, read by Stats.
	received   atomic.Uint64
	duplicates atomic.Uint64 // events that had come before
	errors     [len(SessionReasons)]atomic.Uint64
}

func (r *sessionReceiver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-r.from.inbox:
			r.from.took(a)
			r.receive(a.text)
		}
	}
}

func (r *sessionReceiver) receive(text string) {
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
	if e.Origin == r.self {
		return
	}
	// Instances of ours publish again what had no answer; the original does not.
	if e.Origin != "" && r.recent.again(e.ID) {
		r.duplicates.Add(1)
		return
	}
	r.received.Add(1)
	r.sink.DeliverSession(e)
}
