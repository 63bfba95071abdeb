package relay

import (
	"context"
	"sync/atomic"

	"event-dispatcher/broker/redis"

	"go.uber.org/zap"
)

// A subscriber takes the messages of one channel into a bounded inbox.
type subscriber struct {
	name    string // for logs
	channel Channel
	inbox   chan string
	log     *zap.Logger

	full bool // owned by the client library's goroutine: see put

	subscribed atomic.Bool
	waiting    atomic.Int64  // bytes in the inbox
	overflows  atomic.Uint64 // messages that did not fit
	resumed    atomic.Uint64 // times that the channel was subscribed to
}

// Bounds of an inbox.
const (
	inboxMessages = 1024
	inboxBytes    = 32 << 20
)

// run subscribes, again and again, until ctx is done.
func (s *subscriber) run(ctx context.Context, in In) {
	var pause redis.Backoff
	began := func() {
		if ctx.Err() == nil {
			s.subscribed.Store(true)
			s.resumed.Add(1)
			s.log.Info("relay: subscribed", zap.String("events", s.name))
		}
	}
	for ctx.Err() == nil {
		err := in.Hear(context.WithoutCancel(ctx), s.channel, began, s.put) // until in is closed
		problem := "relay: cannot subscribe"
		if s.subscribed.Swap(false) {
			pause.Reset() // the attempt had worked
			problem = "relay: not subscribed any more"
		}
		if ctx.Err() != nil {
			return
		}
		s.log.Warn(problem, zap.String("events", s.name), redis.Error(err))
		pause.Wait(ctx)
	}
}

// put never waits: the client library reads nothing while it runs, the answers
// to its PINGs included.
//
// An inbox that was full takes nothing until it is half empty. So what is lost is
// one gap of many messages, not many gaps of few: each costs the broker a segment.
func (s *subscriber) put(text string) {
	if s.full && len(s.inbox) <= cap(s.inbox)/2 && s.waiting.Load() <= inboxBytes/2 {
		s.full = false
	}
	if !s.full && s.waiting.Add(int64(len(text))) <= inboxBytes {
		select {
		case s.inbox <- text:
			return
		default:
		}
	}
	if !s.full {
		s.full = true
		s.waiting.Add(-int64(len(text)))
	}
	s.overflows.Add(1) // the next envelope's sequence tells how many events these were
}

// took notes that a message has left the inbox.
func (s *subscriber) took(text string) { s.waiting.Add(-int64(len(text))) }
