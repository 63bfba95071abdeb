package screens

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/websocket"
)

func TestOpenReplaysOldestFirstThenLive(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	alice := h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	h.submit("p", "alice", "first", func(e *session.Event) { e.At = 1 })
	h.submit("P", "alice", "second", func(e *session.Event) { e.Action, e.At = session.Viewing, 2 })
	alice.want("first", "second")
	bob := h.dial("P/bob")
	bob.want("first", "second")
	quiet := h.dial("p/carol?replay=0")
	h.eventually("all are there", func() bool { return h.Stats().Users == 3 })
	h.submit("p", "alice", "third", func(e *session.Event) { e.At = 3 })
	alice.want("third")
	bob.want("third")
	quiet.want("third")
}

// Everybody who opens while events are published gets a replay up to some event
// and everything after it, unless it is too slow and told so: the numbers go up by
// one, from wherever they begin.
func TestNoGapAndNoDuplicateBetweenReplayAndLive(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	const events, openers = 2000, 40
	anchor := h.dial("p/writer?replay=0")
	go func() {
		for {
			if _, err := anchor.read(); err != nil {
				return
			}
		}
	}()
	h.eventually("the writer is active", func() bool { return h.opened() == 1 })
	var work sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		defer close(done)
		for n := range events {
			h.submit("p", "writer", fmt.Sprint(n), func(e *session.Event) { e.At = int64(n + 1) })
			if n%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	for i := range openers {
		work.Go(func() {
			time.Sleep(time.Duration(i) * 4 * time.Millisecond)
			s := h.dial(fmt.Sprintf("p/reader%d", i))
			last := -1
			for last != events-1 {
				e, err := s.read()
				if err != nil {
					t.Errorf("opener %d after %d: %v", i, last, err)
					return
				}
				var n int
				fmt.Sscan(e.Data, &n)
				if last >= 0 && n != last+1+s.skipped() {
					t.Errorf("opener %d got %d after %d", i, n, last)
				}
				last = n
			}
		})
	}
	work.Wait()
}

// The known browser client opens a new socket after each event that it gets.
func TestClientThatReconnectsOnEveryEventComesToRest(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	s := h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	h.submit("p", "alice", "e")
	s.want("e")
	s.c.Close(coder.StatusNormalClosure, "")
	s = h.dial("p/alice")
	h.submit("p", "alice", "next", func(e *session.Event) { e.Type = session.DataNotification })
	s.want("next") // and not e once more
	h.dial("p/bob").want("e")
	if st := h.Stats(); st.Guarded != 1 {
		t.Errorf("Stats().Guarded = %d; want 1", st.Guarded)
	}
}

func TestEventsGoToTheirPracticeAndUser(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	h.tie(session.NewMemory(session.Options{DefaultPractice: "Home"}), h.note)
	other, bob, bob2, carol := h.dial("other/bob"), h.dial("HOME/bob"), h.dial("home/bob"), h.dial("Home/carol")
	h.eventually("all are there", func() bool { return h.Stats().Sockets == 4 && h.Stats().Users == 3 })
	h.submit("", "x", "to all at home")
	h.submit("hOmE", "x", "to bob", func(e *session.Event) { e.TargetUser = "bob" })
	h.submit("OTHER", "x", "elsewhere")
	h.submit("home", "x", "end")
	bob.want("to all at home", "to bob", "end")
	bob2.want("to all at home", "to bob", "end")
	carol.want("to all at home", "end")
	other.want("elsewhere")
}

func TestTargetedEventsAreReplayedToTheirUserOnly(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	h.submit("p", "alice", "for bob", func(e *session.Event) { e.TargetUser = "bob" })
	h.dial("p/bob").want("for bob")
	carol := h.dial("p/carol")
	h.submit("p", "alice", "note", func(e *session.Event) { e.Type = session.DataNotification })
	carol.want("note")
}

func TestLastSocketOfAUserLogsOutOnceAfterTheGrace(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{}, 50*time.Millisecond)
	watcher := h.dial("p/watcher")
	tab1, tab2 := h.dial("p/alice"), h.dial("P/alice")
	h.eventually("three sockets", func() bool { return h.Stats().Users == 2 && h.Stats().Sockets == 3 })
	h.submit("p", "alice", "state")
	watcher.want("state")
	tab1.c.Close(coder.StatusNormalClosure, "")
	h.eventually("one tab is gone", func() bool { return h.Stats().Sockets == 2 })
	h.eventually("the grace is over: the other tab holds the user", func() bool { return h.counted("p", "alice") == 1 })
	tab2.c.Close(coder.StatusNormalClosure, "")
	e := watcher.next()
	if e.Action != session.Logout || e.Source != "alice" || e.Type != session.UserSession || e.ID == "" {
		t.Errorf("event = %+v; want alice's USER_LOGOUT", e)
	}
	if got := h.service.Latest("alice"); len(got) != 0 {
		t.Errorf("Latest(alice) = %+v after the logout; want nothing", got)
	}
	h.submit("p", "watcher", "end", func(e *session.Event) { e.Type = session.DataNotification })
	watcher.want("end") // so there was one logout
	if n := h.service.Stats().Logouts; n != 1 {
		t.Errorf("Stats().Logouts = %d; want 1", n)
	}
}

func TestUserWhoComesBackWithinTheGraceStays(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{}, time.Second)
	s := h.dial("p/alice")
	h.eventually("alice is active", func() bool { return h.opened() == 1 })
	h.submit("p", "alice", "state")
	s.want("state")
	s.c.Close(coder.StatusNormalClosure, "")
	h.eventually("no socket", func() bool { return h.Stats().Sockets == 0 })
	h.dial("p/alice")
	h.eventually("the old socket has left", func() bool { return h.counted("p", "alice") == 1 })
	h.dial("p/bob").want("state")
	if n := h.service.Stats().Logouts; n != 0 {
		t.Errorf("Stats().Logouts = %d; want 0", n)
	}
}

// The store may say that a user is gone while a new socket of his is opening.
func TestUserWithASocketIsNotToldToBeGone(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	watcher, back := h.dial("p/watcher"), h.dial("P/alice")
	h.eventually("both are open", func() bool { return h.opened() == 2 })
	h.service.Logout("p", "alice")
	h.service.Logout("p", "bob") // who has none
	h.submit("p", "watcher", "end", func(e *session.Event) { e.Type = session.DataNotification })
	for _, s := range []*screen{watcher, back} {
		if e := s.next(); e.Action != session.Logout || e.Source != "bob" {
			t.Errorf("event = %+v; want bob's USER_LOGOUT", e)
		}
		s.want("end")
	}
	if n := h.service.Stats().Logouts; n != 1 {
		t.Errorf("Stats().Logouts = %d; want 1", n)
	}
}

func TestDrainDeliversThenEndsWith1001(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	var screens []*screen
	for i := range 10 {
		screens = append(screens, h.dial(fmt.Sprintf("p/u%d?replay=0", i)))
	}
	h.eventually("all are there", func() bool { return h.Stats().Users == 10 })
	h.submit("p", "x", "last")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		h.Drain(ctx, 50*time.Millisecond)
		close(drained)
	}()
	for _, s := range screens {
		s.want("last")
		if _, err := s.read(); coder.CloseStatus(err) != coder.StatusGoingAway {
			t.Errorf("Read() = %v; want close 1001", err)
		}
	}
	<-drained
	if st := h.Stats(); st.Closed[websocket.ReasonDrained] != 10 || st.Sockets != 0 || h.service.Stats().Logouts != 0 {
		t.Errorf("Stats() = %+v; want 10 drained, 0 sockets, 0 logouts", st)
	}
	if _, err := h.Admit("p", "late", true, websocket.Handshake{}); err != ErrDraining {
		t.Errorf("Admit() = %v; want ErrDraining", err)
	}
}

func TestCapRefusesAndForgets(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{MaxSockets: 1})
	ticket, err := h.Admit("p", "a", true, websocket.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Admit("p", "b", true, websocket.Handshake{}); err != ErrFull {
		t.Errorf("Admit() over the cap = %v; want ErrFull", err)
	}
	ticket.Forget()
	h.dial("p/b")
}

// A socket that takes nothing loses the oldest events, is told how many, and
// slows down nobody.
func TestSlowSocketSkipsAheadAndIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{Stall: time.Hour}) // a slow machine takes its time
	_, br := h.raw("p/slow?replay=0")
	fast := h.dial("p/fast?replay=0")
	h.eventually("both are there", func() bool { return h.Stats().Users == 2 })
	const events = 600
	pad := strings.Repeat("x", 32<<10)
	for n := range events {
		h.submit("p", "x", fmt.Sprint(n, " ", pad), func(e *session.Event) { e.Type = session.DataNotification })
		if e := fast.next(); !strings.HasPrefix(e.Data, fmt.Sprint(n, " ")) {
			t.Fatalf("fast socket got %.10q; want %d", e.Data, n)
		}
	}
	if h.Stats().Skipped == 0 {
		t.Fatal("Stats().Skipped = 0 after 19 MB to a socket that reads nothing; want some")
	}
	received, skipped, last := 0, 0, -1
	for last != events-1 {
		op, payload, err := readFrame(br)
		if err != nil {
			t.Fatal(err)
		}
		switch op {
		case opPing:
			n := 0
			fmt.Sscanf(string(payload), "skipped %d", &n)
			skipped += n
		case opText:
			_, text, _ := strings.Cut(string(payload), `"data":"`)
			n := 0
			fmt.Sscan(text, &n)
			if n <= last {
				t.Fatalf("event %d after %d", n, last)
			}
			received, last = received+1, n
		}
	}
	if received+skipped != events || uint64(skipped) != h.Stats().Skipped {
		t.Errorf("received %d + told of %d skipped, counted %d; want %d in all", received, skipped, h.Stats().Skipped, events)
	}
	h.eventually("nothing is held when all was written", func() bool { return h.Stats().Held == 0 })
}
