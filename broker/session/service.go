package session

import (
	"container/list"
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Screens are shown events. They are the sockets of one instance.
type Screens interface {
	// Deliver shows an event to the screens that it is for. It does not wait for them.
	Deliver(Event)
}

// ServiceOptions tunes a [Service]. The zero value is what production runs.
type ServiceOptions struct {
	// Grace is how long after its last socket closed a user is logged out.
	// Zero means 5 s, negative at once.
	Grace time.Duration

	// MaxLeaving is how many users may be in their grace before [Service.Crowded].
	// Zero means 32,768.
	MaxLeaving int
}

// A Service makes events known to the store, the screens here and the other instances,
// and logs out who has left. Its methods may be called by any goroutine.
//
// Events of a user take these steps one after the other, so that the store and all
// screens end with the same one. A lock of the user, the turn, stands for that order.
type Service struct {
	// Fixed after NewService.
	options ServiceOptions
	stop    context.CancelFunc
	running sync.WaitGroup // the leaver

	ties  atomic.Pointer[ties]
	seed  maphash.Seed
	turns [256]sync.Mutex // one lock per user, by hash

	mu      sync.Mutex // guards what follows; taken within a turn
	stays   map[member]*stay
	leaving *list.List // of *stay with closed sockets, by when their grace ends
	kept    bool       // nobody leaves any more
	wake    chan struct{}

	logouts atomic.Uint64

	showing sync.Mutex           // held while an event of another instance is shown; guards shown
	shown   map[string]time.Time // by id: shown from the store, and perhaps still on their way
}

// OnItsWay is how long after it was stored an event may still come from another
// instance.
const OnItsWay = 10 * time.Second

// ties are set after construction, because they need the Service.
type ties struct {
	store   Store
	screens Screens
	publish func(Event)
}

type nobody struct{}

func (nobody) Deliver(Event) {}

// NewService starts a service. Before Tie it stores in a memory that Tie lets go of.
func NewService(o ServiceOptions) *Service {
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.MaxLeaving == 0 {
		o.MaxLeaving = 32_768
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{options: o, stop: stop, seed: maphash.MakeSeed(), stays: make(map[member]*stay), leaving: list.New(), shown: make(map[string]time.Time),
		wake: make(chan struct{}, 1)}
	s.Tie(NewMemory(Options{}), nobody{}, func(Event) {})
	s.running.Go(func() { s.leaver(ctx) })
	return s
}

// Tie gives the service its store, the screens here and the way to other instances.
// Call it before the first event and the first socket come.
func (s *Service) Tie(store Store, screens Screens, publish func(Event)) {
	s.ties.Store(&ties{store, screens, publish})
}

// Close ends the service; nobody is logged out by that.
func (s *Service) Close() {
	s.Keep()
	s.stop()
	s.running.Wait()
}

// Submit makes an event known: stored, then shown here, then offered to the other
// instances.
func (s *Service) Submit(e Event) {
	t := s.ties.Load()
	e.Practice = t.store.Practices().Named(e.Practice)
	who := s.member(e.Practice, e.Source)
	turn := s.turn(who)
	turn.Lock()
	defer turn.Unlock()
	s.acted(who, e)
	t.store.Put(e)
	t.screens.Deliver(e)
	t.publish(e)
}

// DeliverSession takes an event of another instance: it is the sink of a relay.
func (s *Service) DeliverSession(e Event) {
	t := s.ties.Load()
	s.showing.Lock()
	defer s.showing.Unlock()
	if _, again := s.shown[e.ID]; again {
		return
	}
	if mirror, ok := t.store.(interface{ Observe(Event) }); ok {
		mirror.Observe(e)
	}
	s.acted(s.member(e.Practice, e.Source), e)
	t.screens.Deliver(e)
}

// Resubscribed shows the screens here what changed in the store while events of other
// instances did not come.
func (s *Service) Resubscribed() {
	t := s.ties.Load()
	shared, ok := t.store.(interface {
		Missed(practices []string, turn sync.Locker, show func(Event))
	})
	if !ok {
		return
	}
	s.mu.Lock()
	here := make(map[string]struct{})
	for who, st := range s.stays {
		if st.open > 0 {
			here[who.practice] = struct{}{}
		}
	}
	s.mu.Unlock()
	now := time.Now()
	s.showing.Lock()
	maps.DeleteFunc(s.shown, func(_ string, at time.Time) bool { return now.Sub(at) > OnItsWay })
	s.showing.Unlock()
	shared.Missed(slices.Sorted(maps.Keys(here)), &s.showing, func(e Event) {
		s.shown[e.ID] = now
		t.screens.Deliver(e)
	})
}

// Latest is what is stored of a user, in whatever practice.
func (s *Service) Latest(user string) []Event { return s.ties.Load().store.Latest(AnyPractice, user) }

// Replay is what is stored of a practice's active users, as [Store.Replay] says it.
func (s *Service) Replay(practice string) []Event { return s.ties.Load().store.Replay(practice) }

// Logout tells that a user is gone, unless it has just come back: the store may
// have answered before it heard of that.
func (s *Service) Logout(practice, user string) {
	who := s.member(practice, user)
	turn := s.turn(who)
	turn.Lock()
	defer turn.Unlock()
	if s.isHere(who) {
		return
	}
	e := Event{
		ID: NewID(), Source: user, Practice: practice, At: time.Now().UnixMilli(),
		Action: Logout, Type: UserSession,
	}
	s.logouts.Add(1)
	t := s.ties.Load()
	t.screens.Deliver(e)
	t.publish(e)
}

// ServiceStats is a snapshot of a [Service].
type ServiceStats struct {
	Logouts uint64 // users told to be gone by this instance
	Leaving int    // users in their grace, and those whom the store is being told of
}

// Stats takes the snapshot.
func (s *Service) Stats() ServiceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := ServiceStats{Logouts: s.logouts.Load()}
	for _, stay := range s.stays {
		if stay.open == 0 {
			st.Leaving++
		}
	}
	return st
}

// turn is held by the user's event that is made known, and by few other users'.
func (s *Service) turn(who member) *sync.Mutex {
	return &s.turns[maphash.Comparable(s.seed, who)%uint64(len(s.turns))]
}

// Practices is the store's.
func (s *Service) Practices() Practices { return s.ties.Load().store.Practices() }

func (s *Service) member(practice, user string) member { return s.Practices().member(practice, user) }
