package ws

import (
	"slices"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker/session"
)

// A loggedStore notes which of its methods were called.
type loggedStore struct {
	session.Store
	mu  sync.Mutex
	log []string
}

func (s *loggedStore) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, call)
}

func (s *loggedStore) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *loggedStore) Observe(e session.Event) { s.note("observe " + e.ID) }

func (s *loggedStore) Join(practice, user string) {
	s.note("join")
	s.Store.Join(practice, user)
}

func (s *loggedStore) Leave(practice, user string) bool {
	s.note("leave")
	return s.Store.Leave(practice, user)
}

func (s *loggedStore) Replay(practice string) []session.Event {
	s.note("replay")
	return s.Store.Replay(practice)
}

// logged has a host's hub call a logged store.
func logged(h *host) *loggedStore {
	tied := h.ties.Load()
	store := &loggedStore{Store: tied.store}
	h.Tie(store, tied.publish)
	return store
}

// Its own stored events are replayed to a user who comes back.
func TestASocketJoinsBeforeItsReplayIsRead(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{})
	store := logged(h)
	h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	if got := store.calls(); !slices.Equal(got, []string{"join", "replay"}) {
		t.Errorf("calls = %v; want join, then replay", got)
	}
}

func TestAnEventOfAnotherInstanceIsObserved(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{})
	store := logged(h)
	h.DeliverSession(update("alice", "1"))
	if got := store.calls(); !slices.Equal(got, []string{"observe 1"}) {
		t.Errorf("calls = %v; want that the event was observed", got)
	}
}

// Users whose grace ends while the hub drains are not logged out either.
func TestNobodyLeavesWhileDraining(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	store := &loggedStore{Store: session.NewMemory(session.Options{})}
	h.Tie(store, func(e session.Event) { t.Errorf("published %+v; want nothing", e) })
	store.Store.Join("p", "alice")
	h.mu.Lock()
	h.draining = true
	h.leaves = append(h.leaves, leave{time.Now(), "p", "alice"})
	h.leaving <- struct{}{}
	h.mu.Unlock()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		left := len(h.leaves)
		h.mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the leave is still queued")
		}
	}
	h.Close() // and so the leaver is through
	if got := store.calls(); len(got) != 0 {
		t.Errorf("calls = %v; want none", got)
	}
}

func TestNothingIsQueuedBehindTheCloseFrame(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	defer h.Close()
	s := &socket{hub: h, user: &user{}}
	give(s, session.Event{Data: "before"})
	s.end(codeGoingAway, "shutting down", ReasonDrained)
	give(s, session.Event{Data: "after"})
	if got := queued(s); got != "before" {
		t.Errorf("waiting %q; want what came before the close frame", got)
	}
}
