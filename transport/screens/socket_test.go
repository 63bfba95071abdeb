package screens

import (
	"bufio"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
)

// queued is the data of what waits for a socket.
func queued(s *socket) string {
	var all []string
	for _, f := range s.queue.frames {
		_, data, _ := strings.Cut(string(f.bytes), `"data":"`)
		data, _, _ = strings.Cut(data, `"`)
		all = append(all, data)
	}
	return strings.Join(all, " ")
}

// waitingSocket is one whose handshake is not answered: all waits for it.
func waitingSocket(h *Hub, u *user) *socket {
	s := newSocket(h, nil, nil, nil)
	s.user = u
	return s
}

// give pushes an event to a socket.
func give(s *socket, e session.Event) {
	f := s.hub.budget.newFrame(e, false)
	s.push(f)
	f.release()
}

// An event may come from another instance after a later one was replayed.
func TestOlderThanItsReplayIsPassedOver(t *testing.T) {
	h := newHub(t, HubOptions{})
	s := waitingSocket(h, &user{})
	update := func(id string, at int64) session.Event {
		return session.Event{ID: id, Data: id, Source: "alice", Action: session.Updating, Type: session.UserSession, At: at}
	}
	s.begin(h.budget.newReplay([]session.Event{update("second", 2)}, nil))
	b := &batch{}
	if !s.next(b) {
		t.Fatal("nothing is replayed")
	}
	s.wrote(b, 0, nil)
	s.tidy(time.Now())
	give(s, update("first", 1))
	give(s, update("second", 2))
	give(s, update("third", 3))
	if got := queued(s); got != "third" {
		t.Errorf("waiting %q; want third", got)
	}
	s.tidy(time.Now().Add(session.OnItsWay + time.Second))
	give(s, update("first", 1))
	if got := queued(s); got != "third first" {
		t.Errorf("waiting %q after %v; want third first", got, session.OnItsWay)
	}
	if n := h.Stats().Duplicates; n != 2 {
		t.Errorf("%d passed over; want first and second", n)
	}
}

// An instance whose clock is behind says that its events are older.
func TestWhatOnlyLooksOlderThanTheReplayIsSent(t *testing.T) {
	h := newHub(t, HubOptions{})
	s := waitingSocket(h, &user{})
	update := func(id string, at int64) session.Event {
		return session.Event{ID: id, Data: id, Source: "alice", Action: session.Updating, Type: session.UserSession, At: at}
	}
	give(s, update("came before the replay", 3))
	s.begin(h.budget.newReplay([]session.Event{update("ahead", 5000)}, nil))
	give(s, update("behind", 4))
	s.tidy(time.Now())
	if got := queued(s); got != "" {
		t.Errorf("waiting %q; want nothing yet", got)
	}
	s.tidy(time.Now().Add(doubt + time.Second))
	give(s, update("further", 5))
	give(s, update("ahead", 5000))
	if got, want := queued(s), "came before the replay behind further"; got != want {
		t.Errorf("waiting %q; want %q", got, want)
	}
	if len(s.replayed.early) != 0 {
		t.Errorf("%d events are held back", len(s.replayed.early))
	}
}

// Two instances share a store; what one publishes is delivered at the other.
func TestInstancesWhoseClocksDifferShowAllEvents(t *testing.T) {
	t.Parallel()
	a, b := newHost(t, HubOptions{}), newHost(t, HubOptions{})
	store := session.NewMemory(session.Options{})
	a.tie(store, b.service.DeliverSession)
	b.tie(store, a.service.DeliverSession)
	a.dial("p/alice?replay=0")
	a.eventually("alice is active", func() bool { return a.opened() == 1 })
	behind := func(e *session.Event) { e.At -= 5000 }
	a.submit("p", "alice", "from a")
	bob := b.dial("p/bob")
	bob.want("from a")
	b.submit("p", "alice", "from b", behind)
	b.submit("p", "alice", "from b, too", behind)
	bob.want("from b", "from b, too")
	carol := a.dial("p/carol")
	carol.want("from b, too")
	b.submit("p", "alice", "from b at last", behind)
	a.submit("p", "alice", "from a at last")
	bob.want("from b at last", "from a at last")
	carol.want("from b at last", "from a at last")
}

// Sockets that do not take their events cost no goroutine while they wait.
func TestAnUnreadSocketHasNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("goroutines wait where there is no epoll")
	}
	const sockets = 50
	h := newHost(t, HubOptions{Stall: time.Hour})
	var unread []*bufio.Reader
	for i := range sockets {
		_, br := h.raw(fmt.Sprint("p/u", i))
		unread = append(unread, br)
	}
	h.eventually("all are open", func() bool { return h.opened() == sockets })
	before := runtime.NumGoroutine()
	data := strings.Repeat("x", 200<<10)
	full := func() (n int) {
		for _, s := range h.rooms.list() {
			s.mu.Lock()
			if s.writing && s.queue.frames != nil {
				n++
			}
			s.mu.Unlock()
		}
		return n
	}
	events := 0
	for ; events < 3 || full() < sockets; events++ {
		h.submit("p", "x", fmt.Sprint(events, " ", data), func(e *session.Event) { e.Type = session.DataNotification })
		time.Sleep(time.Millisecond)
	}
	h.eventually("fewer goroutines than sockets more", func() bool { return runtime.NumGoroutine() < before+sockets/2 })
	for i, br := range unread { // and who reads after all gets it
		for got := -1; got < events-1; {
			op, payload, err := readFrame(br)
			if err != nil {
				t.Fatalf("socket %d after event %d of %d: %v", i, got, events, err)
			}
			if _, text, found := strings.Cut(string(payload), `"data":"`); found && op == opText {
				fmt.Sscan(text, &got)
			}
		}
	}
}
