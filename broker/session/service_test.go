//go:build unix

package session

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"event-dispatcher/internal/testkit"
)

// A wall is screens, and other instances, that note what they are told.
type wall struct {
	mu   sync.Mutex
	told []Event
}

func (w *wall) Deliver(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, e)
}

// logouts is who was told to be gone.
func (w *wall) logouts() (users []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.told {
		if e.Action == Logout {
			users = append(users, e.Source)
		}
	}
	return users
}

func newService(t *testing.T, o ServiceOptions, store Store) (*Service, *wall) {
	t.Helper()
	s, w := NewService(o), new(wall)
	s.Tie(store, w, func(Event) {})
	t.Cleanup(s.Close)
	return s, w
}

// A slowStore takes its time to let a user leave.
type slowStore struct {
	Store
	takes      time.Duration
	now, most  atomic.Int64 // leaves under way
	leaves     atomic.Int64
	mayProceed chan struct{} // nil: they end by themselves
}

func (s *slowStore) Leave(practice, user string, keep bool) bool {
	s.leaves.Add(1)
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	time.Sleep(s.takes)
	if s.mayProceed != nil {
		<-s.mayProceed
	}
	return s.Store.Leave(practice, user, keep)
}

// Fault 4 of a fleet of screens that goes at once: each user costs the store a moment.
func TestUsersWhoLeaveTogetherAreLoggedOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: NewMemory(Options{}), takes: time.Millisecond}
		s, w := newService(t, ServiceOptions{}, store)
		const users = 10_000
		for i := range users {
			s.Join("p", fmt.Sprint("u", i))()
		}
		time.Sleep(time.Minute)
		for i := range users {
			s.Leave("p", fmt.Sprint("u", i))
		}
		begun := time.Now()
		for len(w.logouts()) < users {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("%d users were logged out after %v; want their grace of 5 s and less than a second", users, took)
		}
		if most := store.most.Load(); most > leavesAtOnce {
			t.Errorf("the store was told of %d at once; want %d at most", most, leavesAtOnce)
		}
	})
}

// A client that opens and closes sockets under ever new names may be faster than the
// store; what waits for the store is bounded all the same.
func TestUsersWhoAreLeavingAreBounded(t *testing.T) {
	store := &slowStore{Store: NewMemory(Options{}), mayProceed: make(chan struct{})}
	s, w := newService(t, ServiceOptions{Grace: -1, MaxLeaving: 10}, store)
	n := 0
	for ; !s.Crowded(); n++ {
		if n > 10+leavesAtOnce+1 {
			t.Fatalf("%d users are leaving; want no more than 10 that wait", n)
		}
		s.Join("p", fmt.Sprint("u", n))()
		s.Leave("p", fmt.Sprint("u", n))
	}
	close(store.mayProceed)
	testkit.Eventually(t, "all are logged out", func() bool { return len(w.logouts()) == n })
	if s.Crowded() {
		t.Error("Crowded() = true with nobody left")
	}
	testkit.Eventually(t, "nobody is left", func() bool { return s.Stats() == ServiceStats{Logouts: uint64(n)} })
}

// The same user's sockets take one place, however many come and go.
func TestOneUserWhoComesAndGoesLeavesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := newService(t, ServiceOptions{MaxLeaving: 2}, NewMemory(Options{}))
		for range 1000 {
			s.Join("p", "alice")()
			time.Sleep(10 * time.Millisecond)
			s.Leave("P", "alice")
			if s.Crowded() {
				t.Fatal("Crowded() = true with one user")
			}
		}
		if got := w.logouts(); len(got) != 0 {
			t.Errorf("%v logged out within the grace", got)
		}
		time.Sleep(time.Minute)
		if got := w.logouts(); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("%v logged out; want alice once", got)
		}
	})
}

// A stranger opens a socket in somebody's name and closes it.
func TestOnlyWhoWasActiveIsLoggedOut(t *testing.T) {
	for _, tt := range []struct {
		name    string
		during  func(s *Service)
		stays   time.Duration
		loggedO bool
	}{
		{"a moment", func(*Service) {}, time.Millisecond, false},
		{"a moment, with news only", func(s *Service) {
			e := stored("p", "alice", Updating, "news")
			e.Type = DataNotification
			s.Submit(e)
		}, time.Millisecond, false},
		{"a moment, with an event of another user", func(s *Service) { s.Submit(stored("p", "bob", Updating, "x")) }, time.Millisecond, false},
		{"a moment, with an event", func(s *Service) { s.Submit(stored("p", "alice", Viewing, "x")) }, time.Millisecond, true},
		{"a moment, with an event from another instance", func(s *Service) { s.DeliverSession(stored("P", "alice", Viewing, "x")) }, time.Millisecond, true},
		{"for the grace", func(*Service) {}, 5 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewMemory(Options{})
				s, w := newService(t, ServiceOptions{}, store)
				s.Submit(stored("p", "alice", Updating, "kept"))
				s.Join("p", "alice")()
				tt.during(s)
				time.Sleep(tt.stays)
				s.Leave("p", "alice")
				time.Sleep(time.Minute)
				if got := w.logouts(); (len(got) == 1) != tt.loggedO || len(got) > 1 {
					t.Errorf("logged out: %v; want %v", got, tt.loggedO)
				}
				if kept := len(s.Latest("alice")) > 0; kept == tt.loggedO {
					t.Errorf("what was stored is still there: %v; want %v", kept, !tt.loggedO)
				}
				if n := store.Stats().Users; n != 0 {
					t.Errorf("%d users are active; want none", n)
				}
			})
		})
	}
}

// A user's other socket may be at another instance, and close first.
func TestWhoWasActiveElsewhereIsLoggedOut(t *testing.T) {
	store := &elsewhere{NewMemory(Options{})}
	s, w := newService(t, ServiceOptions{Grace: 50 * time.Millisecond}, store)
	s.Join("p", "alice")()
	s.Leave("p", "alice")
	testkit.Eventually(t, "alice is logged out", func() bool { return len(w.logouts()) == 1 })
}

// An elsewhere is a store that knows of sockets at another instance.
type elsewhere struct{ Store }

func (e *elsewhere) Join(practice, user string) bool {
	e.Store.Join(practice, user)
	return true
}

// Users whose grace ends at a shutdown are not logged out either.
// The store alone says which practice is the default one.
func TestEventsWithoutAPracticeAreOfTheDefaultOne(t *testing.T) {
	s, w := newService(t, ServiceOptions{}, NewMemory(Options{DefaultPractice: "Home"}))
	s.Submit(stored("", "alice", Updating, "x"))
	if got := w.told[0].Practice; got != "Home" {
		t.Errorf("an event without a practice is shown as of %q; want Home", got)
	}
	s.Join("HOME", "alice")()
	if got := s.Replay(""); len(got) != 1 || got[0].Practice != "Home" {
		t.Errorf("Replay of the default practice = %v; want the event of alice, who is in HOME", got)
	}
}

func TestNobodyLeavesOnceKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: NewMemory(Options{})}
		s, _ := newService(t, ServiceOptions{}, store)
		for _, user := range []string{"alice", "bob"} {
			s.Join("p", user)()
		}
		time.Sleep(time.Minute)
		s.Leave("p", "alice")
		s.Keep()
		s.Leave("p", "bob")
		time.Sleep(time.Minute)
		if n := store.leaves.Load(); n != 0 {
			t.Errorf("the store was told of %d leaves; want none", n)
		}
	})
}

// A user whose events take long is nobody else's loss.
func TestUsersDoNotWaitForEachOther(t *testing.T) {
	s, _ := newService(t, ServiceOptions{}, NewMemory(Options{}))
	gate, held := make(chan struct{}), make(chan struct{})
	go s.turns.do(member{"p", "mallory"}, (*line).Lock, func() { close(held); <-gate })
	<-held
	for i := range 1000 { // some had the same lock if there were few
		s.Submit(stored("p", fmt.Sprint("u", i), Updating, "x"))
	}
	close(gate)
	testkit.Eventually(t, "no turns", func() bool {
		s.turns.mu.Lock()
		defer s.turns.mu.Unlock()
		return len(s.turns.taken) == 0
	})
}

// A user's last socket closes at the moment in which the grace of the one before is over. It has a
// grace of its own, and whoever comes back in it is the same user, who leaves some time.
func TestASocketThatClosesAsAGraceEndsHasItsOwn(t *testing.T) {
	s, now := newStays(ServiceOptions{Grace: time.Minute}), time.Now()
	who := member{"p", "alice"}
	st := s.join(who, "p")
	s.join(who, "p")
	s.leave(who)
	if due, _ := s.next(now.Add(2 * time.Minute)); due != st {
		t.Fatalf("next = %v; want the user, whose first grace is over", due)
	}
	s.leave(who)
	if n, _ := s.ended(st); n != 1 {
		t.Errorf("the store is told of %d sockets; want 1", n)
	}
	s.left(st)
	if due, wait := s.next(now.Add(30 * time.Second)); due != nil || wait <= 0 {
		t.Errorf("next = %v, %v; want a wait for the second grace", due, wait)
	}
	if again := s.join(who, "p"); again != st {
		t.Errorf("the user who came back within the second grace is another one")
	}
	if due, _ := s.next(now.Add(2 * time.Minute)); due != st {
		t.Fatalf("next = %v; want the user, whose second grace is over", due)
	}
	if n, _ := s.ended(st); n != 1 {
		t.Errorf("the store is told of %d sockets; want 1", n)
	}
	s.left(st)
	if !s.isHere(who) {
		t.Error("the user who came back is not here")
	}
	s.leave(who)
	if due, _ := s.next(now.Add(4 * time.Minute)); due != st {
		t.Fatalf("next = %v; want the user, whose last grace is over", due)
	}
	s.ended(st)
	s.left(st)
	if len(s.all) != 0 || s.leaving.Len() != 0 {
		t.Errorf("%d users stay, and %d among those who leave", len(s.all), s.leaving.Len())
	}
}
