package relay

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/redis"

	"go.uber.org/zap"
)

// A subscriber takes the messages of a lane's channels into a bounded inbox. Which
// channels these are follows what is wanted: none while nothing is.
type subscriber struct {
	// Fixed before run.
	name    string // for logs
	channel Channel
	shards  int           // of this instance; 0: the channel has no parts
	linger  time.Duration // how long what is not wanted any more is heard
	missed  signal        // something may have been missed
	changed signal        // look again
	log     *zap.Logger

	inbox   inbox
	resumed atomic.Uint64 // times that the channel was subscribed to

	mu      sync.Mutex // guards what follows
	in      In         // once connected
	wanted  broker.ShardSet
	since   [broker.MaxShards]time.Time // when a shard was not wanted any more
	fleet   int                         // shards that other instances have, as far as is known; parts of the channel
	hearing map[string]*ear             // by part; the last one of each
	terms   uint64
}

// A signal holds one: that there is something, not how often.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

// give never waits.
func (s signal) give() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// An ear hears one channel.
type ear struct {
	term uint64
	stop func()
	done chan struct{}

	// Guarded by the subscriber's mu.
	over   bool      // stop was called
	stands bool      // the subscription does
	stood  bool      // it did before
	since  time.Time // of the first attempt, or of the subscription that stands
}

// opening is how long the first attempt to subscribe may take before it is worth
// telling anybody.
const opening = 2 * time.Second

// linger is how long what is not wanted any more is heard, by default: a consumer
// that comes back soon misses nothing.
const linger = 5 * time.Second

// want says what shards of this instance have consumers.
func (s *subscriber) want(set broker.ShardSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set == s.wanted {
		return
	}
	now := time.Now()
	for shard := range (s.wanted &^ set).All() {
		s.since[shard] = now
	}
	s.wanted = set
	s.changed.give()
}

// learn says that another instance has so many shards.
func (s *subscriber) learn(shards int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shards = min(shards, broker.MaxShards); shards > s.fleet {
		s.fleet = shards
		s.changed.give()
	}
}

// run subscribes to what is wanted until ctx is done, and in is closed.
func (s *subscriber) run(ctx context.Context, in In) {
	s.mu.Lock()
	s.in = in
	s.mu.Unlock()
	var ears sync.WaitGroup
	defer ears.Wait()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-again.C:
		}
		if later := s.adjust(ctx, in, &ears); later > 0 {
			again.Reset(later)
		}
	}
}

// adjust begins to hear what is wanted, and ends what is not. It returns when it must
// be called again for what is still heard; 0 if never.
func (s *subscriber) adjust(ctx context.Context, in In, ears *sync.WaitGroup) (later time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts, later := s.parts(time.Now())
	for part, e := range s.hearing {
		if !parts[part] && !e.over {
			e.over = true
			e.stop()
		}
	}
	for part := range parts {
		before := s.hearing[part]
		if before != nil && !before.over {
			continue
		}
		s.terms++
		// At the end of the relay in is closed, which ends Hear without a word to
		// the server.
		going, end := context.WithCancel(ctx)
		hearing, unsubscribe := context.WithCancel(context.WithoutCancel(ctx))
		e := &ear{term: s.terms, stop: func() { end(); unsubscribe() }, done: make(chan struct{}), since: time.Now()}
		s.hearing[part] = e
		ears.Go(func() {
			defer close(e.done)
			defer e.stop()
			if before != nil {
				<-before.done
			}
			s.hear(going, hearing, in, part, e)
		})
	}
	return later
}

// parts is what is to be heard, and when it will be less. With the lock held.
func (s *subscriber) parts(now time.Time) (parts map[string]bool, later time.Duration) {
	if s.shards == 0 {
		return map[string]bool{"": true}, 0
	}
	set := s.wanted
	for shard := range s.shards {
		left := s.since[shard].Add(s.linger).Sub(now)
		if s.wanted&(1<<shard) == 0 && left > 0 && !s.since[shard].IsZero() {
			set |= 1 << shard
			if later == 0 || left < later {
				later = left
			}
		}
	}
	if set == 0 {
		return nil, later
	}
	parts = map[string]bool{"": true}
	for shard := range s.fleet {
		if set&(1<<(shard%s.shards)) != 0 {
			parts[strconv.Itoa(shard)] = true
		}
	}
	return parts, later
}

// hear subscribes to one channel, again and again, while going is not done. hearing
// is done when Hear is to end.
func (s *subscriber) hear(going, hearing context.Context, in In, part string, e *ear) {
	channel := s.channel
	channel.Part = part
	fields := []zap.Field{zap.String("events", s.name)}
	if part != "" {
		fields = append(fields, zap.String("shard", part))
	}
	began := func() {
		if going.Err() != nil || !s.set(e, true) {
			return
		}
		if part == "" && s.resumed.Add(1) > 1 {
			s.missed.give()
		}
		s.log.Info("relay: subscribed", fields...)
	}
	put := func(text string) { s.inbox.put(arrival{text, part == "", e.term}) }
	var pause redis.Backoff
	for going.Err() == nil {
		err := in.Hear(hearing, channel, began, put)
		problem := "relay: cannot subscribe"
		if s.set(e, false) {
			pause.Reset() // the attempt had worked
			problem = "relay: subscription lost"
		}
		if going.Err() != nil {
			return
		}
		s.log.Warn(problem, append(fields, redis.Error(err))...)
		pause.Wait(going)
	}
}

// set notes whether a subscription stands, and reports whether that is new.
func (s *subscriber) set(e *ear, stands bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := e.stands
	if stands && !before {
		e.since = time.Now()
	}
	e.stands, e.stood = stands, e.stood || stands
	return before != stands
}
