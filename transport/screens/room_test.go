package screens

import (
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/websocket"
)

// soon fails the test if f does not return.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience / 4):
		t.Errorf("%s waits", what)
	}
}

// entered is a socket in its room, without a connection. It must leave.
func entered(t *testing.T, h *Hub, practice string) *socket {
	ticket, err := h.Admit(practice, "u", true, websocket.Handshake{})
	if err != nil {
		t.Error(err)
	}
	s := newSocket(h, nil, nil, nil)
	h.enter(s, ticket)
	return s
}

// A foldingSessions tells when a practice is looked for.
type foldingSessions struct {
	Sessions
	folds chan struct{}
}

func (s foldingSessions) Practices() session.Practices {
	s.folds <- struct{}{}
	return s.Sessions.Practices()
}

func TestAPracticeDoesNotHoldUpAnotherOne(t *testing.T) {
	service := session.NewService(session.ServiceOptions{})
	defer service.Close()
	folds := make(chan struct{}, 100)
	h := NewHub(HubOptions{}, foldingSessions{service, folds})
	defer h.Close()
	first := entered(t, h, "busy")
	busy := first.user.room
	busy.mu.Lock()
	for len(folds) > 0 {
		<-folds
	}
	var second, quiet *socket
	var entering sync.WaitGroup
	entering.Go(func() { second = entered(t, h, "busy") })
	<-folds
	soon(t, "entering another practice, and an event there,", func() {
		quiet = entered(t, h, "quiet")
		h.Deliver(session.Event{Practice: "quiet", Data: "shown"})
		if got := queued(quiet); got != "shown" {
			t.Errorf("waiting %q; want shown", got)
		}
	})
	busy.mu.Unlock()
	entering.Wait()
	if second.user != first.user {
		t.Error("who waited for the room is not in it")
	}
	for _, s := range []*socket{first, second, quiet} {
		h.exit(s, websocket.ReasonLeft)
	}
}

// What a user got lately may be looked through for a while; the practice goes on meanwhile.
func TestForgettingWhatAUserGotDoesNotHoldUpThePractice(t *testing.T) {
	h := newHub(t, HubOptions{})
	r := h.rooms.open("p")
	u := &user{room: r}
	u.lately.add(time.Now(), noted("1"))
	r.mu.Lock()
	r.users["u"] = u
	r.latest = h.budget.newReplay([]session.Event{update("a", "1")}, nil)
	r.mu.Unlock()
	u.lately.mu.Lock()
	var tidying sync.WaitGroup
	tidying.Go(func() { h.rooms.tidy(time.Now().Add(time.Hour)) })
	for h.budget.held.Load() > 0 { // until the replay is forgotten, before the users
		time.Sleep(time.Millisecond)
	}
	soon(t, "the room", func() {
		r.mu.Lock()
		defer r.mu.Unlock()
	})
	u.lately.mu.Unlock()
	tidying.Wait()
}

// Users come and leave while their practice is forgotten again and again: each is in the
// room that the hub has.
func TestNobodyEntersARoomThatIsGone(t *testing.T) {
	h := newHub(t, HubOptions{})
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 500 {
				s := entered(t, h, "p")
				if r := h.rooms.of("p"); r != s.user.room {
					t.Errorf("the socket is in the room %p; the hub has %p", s.user.room, r)
				}
				h.exit(s, websocket.ReasonLeft)
				h.rooms.tidy(time.Now())
			}
		})
	}
	work.Wait()
	h.rooms.tidy(time.Now())
	if n := len(h.rooms.all()); n != 0 {
		t.Errorf("%d rooms are left of nobody", n)
	}
}
