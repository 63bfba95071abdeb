package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/sharing"

	"go.uber.org/zap"
)

// RedisOptions tunes a [Redis] beyond what all stores have.
type RedisOptions struct {
	Options

	// Server is where Redis is.
	Server redis.Config

	// Prefix stands before every key. Empty is the original's form.
	Prefix string

	// Instance names this process among those that share the server. Empty
	// means a random name.
	Instance string

	// Timeout bounds each call. Zero means 500 ms.
	Timeout time.Duration

	// Lease is how long this instance's word for its users stands without
	// being repeated. Zero means 30 s.
	Lease time.Duration

	// MaxReplayBytes bounds what one Replay holds; the newest events are in it. Zero
	// means 32 MiB.
	MaxReplayBytes int

	// Lost is told of each user that this store removed because the instance
	// with its last socket died, or after Redis did not answer Leave. practice is
	// as that socket wrote it. It is called by one goroutine and may call the
	// store, but not Close. May be nil.
	Lost func(practice, user string)

	// Log, if not nil, hears of Redis coming and going and, sampled, of what it refuses.
	Log *zap.Logger
}

// Redis is a Store that instances share; see the package comment.
type Redis struct {
	*server
	reads         *reads
	writes        *writes
	attendance    *attendance
	log, refusals *zap.Logger // of Redis coming and going, and of why it refuses us
	cancel        context.CancelFunc
	running       sync.WaitGroup // keepLeases and maintain
	cameUp        chan struct{}  // Redis is back: maintain now

	finds   sharing.Readings[member, find] // of users' latest events
	finding chan struct{}                  // full while latestAtOnce users are read
}

// NewRedis returns at once; the server may come later.
func NewRedis(o RedisOptions) *Redis {
	o.Options = o.Options.withDefaults()
	if o.Timeout == 0 {
		o.Timeout = 500 * time.Millisecond
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	if o.MaxReplayBytes == 0 {
		o.MaxReplayBytes = 32 << 20
	}
	if o.Instance == "" {
		o.Instance = NewID()
	}
	ctx, cancel := context.WithCancel(context.Background())
	practices := NewPractices(o.DefaultPractice)
	memory := NewMemory(o.Options)
	memory.stored.emptied, memory.stored.folded = make(map[member]struct{}), practices.folded
	common := &server{options: o, practices: practices, keys: keys{o.Prefix, practices.folded}, mirror: mirror{memory}, misses: misses{memory}}
	s := &Redis{
		server:   common,
		reads:    &reads{server: common},
		writes:   newWrites(common),
		log:      redis.Logger(o.Log, o.Server),
		refusals: redis.Logger(o.Log, o.Server),
		cancel:   cancel,
		cameUp:   make(chan struct{}, 1),
		finding:  make(chan struct{}, latestAtOnce),
	}
	s.attendance = newAttendance(&leases{server: common, own: escape(o.Instance) + "/"}, s.reads, s.writes)
	common.guard = redis.NewGuard(o.Server, o.Timeout, s.changed)
	s.running.Go(func() { s.attendance.keepLeases(ctx) })
	s.running.Go(func() { s.maintain(ctx) })
	return s
}

// changed is told by the guard that Redis came or went.
func (s *Redis) changed(up bool, err error) {
	if !up {
		s.upSince.Store(0)
		log := s.log
		if redis.Refused(err) {
			log = s.refusals // not hidden by a line that said that it cannot be reached
		}
		log.Warn("sessions: cannot use Redis; continuing with this instance's memory", redis.Error(err))
		return
	}
	s.upSince.Store(time.Now().UnixNano())
	s.log.Info("sessions: connected to Redis")
	select {
	case s.cameUp <- struct{}{}:
	default:
	}
}

// Up reports whether the server answers.
func (s *Redis) Up() bool { return s.guard.Up() }

// Refuses reports whether the server answers and did not take the last write, for want
// of memory or because it takes none at all, so that events wait for it.
func (s *Redis) Refuses() bool { return s.writes.refused() }

// Close lets go of the server. Sockets that are still counted keep their lease
// until it ends: Leave first.
func (s *Redis) Close() {
	s.cancel()
	s.running.Wait()
	s.guard.Close()
}

// Practices implements [Store].
func (s *Redis) Practices() Practices { return s.practices }

// Put implements [Store].
func (s *Redis) Put(e Event) Event {
	if !e.Stored() {
		return e
	}
	e.Origin = ""
	e, up := s.mirror.put(e)
	s.writes.store(s.practices.key(e))
	s.writes.unstoreNow(up)
	return e
}

// Observe tells the mirror what another instance published, so that it can
// answer while the server cannot be reached. It does not wait for the server. It reports
// false for the logout of a user who has a socket here: the other instance did not know of
// it, or not yet. What that instance removed is stored again.
func (s *Redis) Observe(e Event) bool {
	if e.At == 0 {
		e.At = time.Now().UnixMilli()
	}
	e.Origin = ""
	if e.Action == Logout {
		left, gone := s.mirror.isGone(s.practices.member(e.Practice, e.Source))
		s.writes.unstoreLater(left)
		return gone
	}
	s.writes.unstoreLater(s.mirror.hear(e))
	return true
}

// Missed shows what other instances stored of the active users of practices since some time and
// this one was not told of, of each user the oldest first. The mirror, which knows what was
// shown here, has it from then on. turn is held from the look at the mirror until the
// event is shown, so that an event that comes meanwhile is shown either before, and seen
// in the mirror, or after; no call to the server is made with it held. What the server does
// not answer is asked again for a minute, unless closing is closed. Missed reports whether all
// is shown by now that was stored before: Redis answered all, and has been there for a minute, in
// which others have stored what it did not take.
func (s *Redis) Missed(closing <-chan struct{}, since time.Time, practices []string, turn sync.Locker, show func(Event)) (all bool) {
	const pause, most = time.Second, time.Minute
	begin := time.Now()
	settled := begin.UnixNano()-s.upSince.Load() >= int64(most)
	for {
		practices = slices.DeleteFunc(slices.Clone(practices), func(practice string) bool {
			return s.guard.Up() && s.showMissedOf(practice, since, turn, show)
		})
		if len(practices) == 0 || time.Since(begin) >= most {
			return len(practices) == 0 && settled
		}
		select {
		case <-closing:
			return false
		case <-time.After(pause):
		}
	}
}

// showMissedOf reports false if there was no answer for a part of a practice.
func (s *Redis) showMissedOf(practice string, since time.Time, turn sync.Locker, show func(Event)) bool {
	users, err := s.reads.activeIn(s.practices.Fold(practice))
	if err == nil {
		err = s.reads.parts(context.Background(), users, fetchMost, func(_ []member, events []Event) {
			sortByAge(events)
			for _, e := range events {
				if e.At == 0 || e.At >= since.UnixMilli() {
					s.showMissed(e, turn, show)
				}
			}
		})
	}
	if err != nil {
		s.failed("read what was missed", s.keys.all("*_CARD"), err)
	}
	return err == nil
}

// showMissed shows an event unless the mirror has it, and not only because its user came, or a
// newer one.
func (s *Redis) showMissed(e Event, turn sync.Locker, show func(Event)) {
	turn.Lock()
	defer turn.Unlock()
	key := s.practices.key(e)
	switch mine, _, ok := s.mirror.get(key); {
	case ok && mine.ID == e.ID:
		if s.mirror.tell(key) {
			show(e)
		}
	case !ok || e.replaces(&mine):
		s.writes.unstoreLater(s.mirror.hear(e))
		show(e)
	}
}

// Join implements [Store].
func (s *Redis) Join(practice, user string) (elsewhere bool) {
	return s.attendance.join(practice, user)
}

// Leave implements [Store]. It reports true only if the server has confirmed that it was
// the last one. What the server does not answer now, Lost hears of once it does.
func (s *Redis) Leave(practice, user string, keep bool) bool {
	return s.attendance.leave(practice, user, keep)
}

// Replay implements [Store].
func (s *Redis) Replay(practice string) []Event {
	practice = s.practices.Fold(practice)
	here := s.mirror.hereIn(practice) // Redis may not know these yet
	users, err := s.reads.activeIn(practice)
	all := recent{most: s.options.MaxReplayBytes}
	if err == nil {
		err = s.reads.parts(context.Background(), union(here, users), fetchMost, func(some []member, events []Event) {
			all.add(s.overlay(events, some))
		})
	}
	if err != nil {
		s.failed("read a practice's events", s.keys.all("*_CARD"), err)
		return s.mirror.Replay(practice)
	}
	all.cut()
	if err := all.err(); err != nil {
		s.failed("read all of a practice's events", s.keys.all("*_CARD"), err)
	}
	return all.events
}

// union is the members of both, each once.
func union(a, b []member) (all []member) {
	seen := make(map[member]bool, len(a)+len(b))
	for _, who := range slices.Concat(a, b) {
		if !seen[who] {
			seen[who] = true
			all = append(all, who)
		}
	}
	return all
}

// overlay replaces events by what the mirror has later, or what the server has not.
func (s *Redis) overlay(events []Event, users []member) []Event {
	latest := make(map[entryKey]Event, len(events))
	for _, e := range events {
		latest[s.practices.key(e)] = e
	}
	for _, who := range users {
		for _, action := range actions {
			key := entryKey{who, action}
			theirs, stored := latest[key]
			if e, ok := s.unstored(key, stored); ok && (!stored || !theirs.replaces(&e)) {
				latest[key] = e
			}
		}
	}
	return slices.Collect(maps.Values(latest))
}

// unstored is the mirror's event if it is newer than Redis', or if Redis missed it. If
// Redis has none, it may have been removed while we could not hear of that: then what we read
// there, or were told of before the connection was there, does not count.
func (s *Redis) unstored(key entryKey, stored bool) (Event, bool) {
	e, put, ok := s.mirror.get(key)
	if !ok {
		return Event{}, false
	}
	since := s.upSince.Load()
	heard := stored || since != 0 && put.UnixNano() >= since && !s.mirror.isRead(key)
	return e, heard || s.misses.has(key)
}
