package screens

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
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

func (s *loggedStore) Observe(e session.Event) bool {
	s.note("observe " + e.ID)
	return true
}

func (s *loggedStore) Join(practice, user string) bool {
	s.note("join")
	return s.Store.Join(practice, user)
}

func (s *loggedStore) Replay(practice string) []session.Event {
	s.note("replay")
	return s.Store.Replay(practice)
}

// logged has a host's hub call a logged store.
func logged(h *host) *loggedStore {
	store := &loggedStore{Store: h.store}
	h.tie(store, func(session.Event) {})
	return store
}

// An arrival is a connection that says who was there when its handshake was answered.
type arrival struct {
	net.Conn
	users  func() int
	before int // answering; -1: it is not answered yet
}

func (a *arrival) Write(p []byte) (int, error) {
	if a.before < 0 {
		a.before = a.users()
	}
	return a.Conn.Write(p)
}

// joins are sessions that know how many users came.
type joins struct {
	Sessions
	users atomic.Int64
}

func (j *joins) Join(practice, user string) func() {
	j.users.Add(1)
	return j.Sessions.Join(practice, user)
}

// What a page submits as soon as its socket is open is of a user who has one.
func TestAUserHasASocketBeforeItsPageKnows(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	sessions := &joins{Sessions: h.sessions}
	h.sessions = sessions
	near, far := testkit.Connect(t, testkit.Listen(t))
	conn := &arrival{Conn: far, users: func() int { return int(sessions.users.Load()) }, before: -1}
	ticket, err := h.Admit("p", "alice", true, websocket.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	ticket.Serve(conn, nil)
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	near.Close()
	h.eventually("the socket is gone", func() bool { return h.Stats().Sockets == 0 })
	if conn.before != 1 {
		t.Errorf("%d users had joined when the handshake was answered; want 1", conn.before)
	}
}

// Its own stored events are replayed to a user who comes back.
func TestASocketJoinsBeforeItsReplayIsRead(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	store := logged(h)
	h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	if got := store.calls(); !slices.Equal(got, []string{"join", "replay"}) {
		t.Errorf("calls = %v; want join, then replay", got)
	}
}

func TestAnEventOfAnotherInstanceIsObserved(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	store := logged(h)
	h.service.DeliverSession(update("alice", "1"))
	if got := store.calls(); !slices.Equal(got, []string{"observe 1"}) {
		t.Errorf("calls = %v; want that the event was observed", got)
	}
}

// Users whose grace ends while the hub drains are not logged out either.
func TestNobodyLeavesWhileDraining(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{}, -1)
	alice := h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	h.submit("p", "alice", "state")
	alice.want("state")
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		h.Drain(t.Context(), 0)
	}()
	if _, err := alice.read(); err == nil {
		t.Error("alice is shown something; want the end")
	}
	<-drained
	h.service.Close() // and so the leaver is through
	if n := h.service.Stats().Logouts; n != 0 || len(h.service.Latest("alice")) != 1 {
		t.Errorf("%d users are logged out, %v is stored; want nobody, and alice's state", n, h.service.Latest("alice"))
	}
}

func TestNothingIsQueuedBehindTheCloseFrame(t *testing.T) {
	t.Parallel()
	h := newHub(t, HubOptions{})
	s := waitingSocket(h, &user{})
	give(s, session.Event{Data: "before"})
	s.end(wire.CodeGoingAway, "shutting down", websocket.ReasonDrained)
	give(s, session.Event{Data: "after"})
	if got := queued(s); got != "before" {
		t.Errorf("waiting %q; want what came before the close frame", got)
	}
}
