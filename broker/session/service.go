package session

import (
	"context"
	"maps"
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
	closing <-chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup // the leaver
	stays   *stays

	ties  atomic.Pointer[ties]
	turns turns

	logouts atomic.Uint64

	showing sync.Mutex           // held while an event of another instance is shown; guards shown
	shown   map[string]time.Time // by id: shown from the store, and perhaps still on their way
	looked  time.Time            // when Resubscribed last found all that was missed; its goroutine's
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
	s := &Service{closing: ctx.Done(), stop: stop, stays: newStays(o), turns: turns{taken: make(map[member]*turn)}, shown: make(map[string]time.Time)}
	s.Tie(NewMemory(Options{}), nobody{}, func(Event) {})
	s.running.Go(func() { s.stays.run(ctx, s.leave) })
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
	who := t.store.Practices().member(e.Practice, e.Source)
	s.turns.do(who, (*line).Lock, func() {
		s.stays.acted(who, e)
		e := t.store.Put(e)
		t.screens.Deliver(e)
		t.publish(e)
	})
}

// DeliverSession takes an event of another instance: it is the sink of a relay.
func (s *Service) DeliverSession(e Event) {
	t := s.ties.Load()
	s.showing.Lock()
	defer s.showing.Unlock()
	if _, again := s.shown[e.ID]; again {
		return
	}
	who := t.store.Practices().member(e.Practice, e.Source)
	here := e.Action == Logout && s.stays.isHere(who)
	if mirror, ok := t.store.(interface{ Observe(Event) bool }); ok {
		here = !mirror.Observe(e) || here // the store may not have heard of the socket yet
	}
	if here {
		s.stays.isActive(who) // others are told when it leaves; so are the screens here
		return
	}
	s.stays.acted(who, e)
	t.screens.Deliver(e)
}

// lookBack is how much earlier than Resubscribed looked last an event may have been made that it
// did not find then: clocks differ.
const lookBack = time.Minute

// Resubscribed shows the screens here what changed in the store while events of other
// instances did not come. One goroutine calls it.
func (s *Service) Resubscribed() {
	t := s.ties.Load()
	shared, ok := t.store.(interface {
		Missed(closing <-chan struct{}, since time.Time, practices []string, turn sync.Locker, show func(Event)) (all bool)
	})
	if !ok {
		return
	}
	here := s.stays.practices()
	now := time.Now()
	var since time.Time // what is older was shown, also if the mirror has given it up, or was there when the sockets came
	if !s.looked.IsZero() {
		since = s.looked.Add(-lookBack)
	}
	s.showing.Lock()
	maps.DeleteFunc(s.shown, func(_ string, at time.Time) bool { return now.Sub(at) > lookBack })
	s.showing.Unlock()
	if shared.Missed(s.closing, since, here, &s.showing, func(e Event) {
		if _, again := s.shown[e.ID]; again {
			return
		}
		s.shown[e.ID] = time.Now()
		t.screens.Deliver(e)
	}) {
		s.looked = now
	}
}

// Join counts a socket of a user here, and returns tell, which counts it in the store. Call
// tell exactly once; it may wait for Redis as long as two calls may.
func (s *Service) Join(practice, user string) (tell func()) {
	who := s.Practices().member(practice, user)
	var st *stay
	s.turns.do(who, (*line).LockFirst, func() { // so that Logout finds the socket, or is over
		st = s.stays.join(who, practice)
	})
	return func() {
		if elsewhere := s.ties.Load().store.Join(practice, user); elsewhere {
			s.stays.isElsewhere(st)
		}
	}
}

// Leave says that a socket of a user has closed. The store hears of it when the grace
// is over. A user who has come back in time has a socket more in the store, so that the
// old one is not its last.
//
// A user who is not here any more is logged out if it was active: if it submitted
// something while a socket was open, or had one open for as long as the grace. A socket
// that somebody opens and closes in the name of a user who has none ends nothing.
func (s *Service) Leave(practice, user string) {
	s.stays.leave(s.Practices().member(practice, user))
}

// Keep has nobody leave any more: at a shutdown users will be back, here or at another
// instance. Where they are not, the lease of this instance ends, and another one notices.
func (s *Service) Keep() { s.stays.keep() }

// Crowded reports whether more users are leaving than the store is told of in time.
// Those who come should be refused until then: each may leave, too.
func (s *Service) Crowded() bool { return s.stays.crowded() }

// Latest is what is stored of a user, in whatever practice.
func (s *Service) Latest(user string) []Event { return s.ties.Load().store.Latest(AnyPractice, user) }

// Replay is what is stored of a practice's active users, as [Store.Replay] says it.
func (s *Service) Replay(practice string) []Event { return s.ties.Load().store.Replay(practice) }

// Logout tells that a user is gone, unless it has just come back: the store may
// have answered before it heard of that.
func (s *Service) Logout(practice, user string) {
	who := s.Practices().member(practice, user)
	s.turns.do(who, (*line).LockFirst, func() {
		if s.stays.isHere(who) {
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
	})
}

// ServiceStats is a snapshot of a [Service].
type ServiceStats struct {
	Logouts uint64 // users told to be gone by this instance
	Leaving int    // users in their grace, and those whom the store is being told of
}

// Stats takes the snapshot.
func (s *Service) Stats() ServiceStats {
	return ServiceStats{Logouts: s.logouts.Load(), Leaving: s.stays.gone()}
}

// Practices is the store's.
func (s *Service) Practices() Practices { return s.ties.Load().store.Practices() }

// turns are locks of users who come, or of whom something is made known, one each: nobody
// waits for another user, who may have thousands of events. Who comes or has gone passes the
// user's own.
type turns struct {
	mu    sync.Mutex
	taken map[member]*turn
}

type turn struct {
	line
	users int // that have it, or wait for it
}

// do runs f in the user's turn, which it takes by lock.
func (t *turns) do(who member, lock func(*line), f func()) {
	t.mu.Lock()
	mine := t.taken[who]
	if mine == nil {
		mine = new(turn)
		t.taken[who] = mine
	}
	mine.users++
	t.mu.Unlock()
	lock(&mine.line)
	defer func() {
		mine.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.taken, who)
		}
	}()
	f()
}
