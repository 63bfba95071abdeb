package screens

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/websocket"
)

func TestOverTheBudgetTheOldestFramesAreGivenUp(t *testing.T) {
	h := newHub(t, HubOptions{QueueBytes: 1000})
	s := waitingSocket(h, &user{})
	for _, data := range []string{"a", "b", "c", "d"} {
		give(s, session.Event{Data: data})
	}
	if got := queued(s); got != "c d" || s.skipped != 2 || h.budget.held.Load() != s.queue.bytes+2*placeBytes {
		t.Errorf("waiting %q, skipped %d, held %d bytes; want c d, 2, %d and two places", got, s.skipped, h.budget.held.Load(), s.queue.bytes)
	}
}

// Many sockets wait for small events: what each remembers of them is more than they are.
func TestPlacesInQueuesStayWithinTheBudget(t *testing.T) {
	const sockets, events, budget = 1000, 1000, 1 << 20
	h := newHub(t, HubOptions{QueueBytes: budget})
	before := heap()
	var all []*socket
	for range sockets {
		all = append(all, entered(t, h, "p"))
	}
	for n := range events {
		h.Deliver(session.Event{ID: fmt.Sprint(n), Practice: "p", Data: "x"})
		if held := h.Stats().Held; held > budget {
			t.Fatalf("%d bytes are held after %d events; want %d at most", held, n+1, budget)
		}
	}
	const each = 2 << 10 // an idle socket, and its place in the room
	if now := heap(); now > before+budget+sockets*each {
		t.Errorf("%d KB more than before; want %d at most", (now-before)>>10, (budget+sockets*each)>>10)
	}
	waiting := 0
	for _, s := range all {
		s.mu.Lock() // the hub's clock looks after it, too
		waits, skipped := len(s.queue.frames), s.skipped
		s.clear()
		s.mu.Unlock()
		if uint64(waits)+skipped != events {
			t.Fatalf("%d events wait and %d are skipped; want %d in all", waits, skipped, events)
		}
		waiting += waits
		h.exit(s, websocket.ReasonLeft)
	}
	if waiting < budget/2/placeBytes {
		t.Errorf("%d events wait; want half of what the budget has places for or more", waiting)
	}
	if held := h.Stats().Held; held != 0 {
		t.Errorf("%d bytes are held of nobody", held)
	}
}

// What is being written keeps its bytes, but those who wait for it give up their places.
func TestPlacesOfWhatIsBeingWrittenAreGivenUp(t *testing.T) {
	h := newHub(t, HubOptions{QueueBytes: 1000})
	f := h.budget.newFrame(session.Event{Data: "a"}, false)
	f.begin()
	s := waitingSocket(h, &user{})
	s.push(f)
	for _, data := range []string{"b", "c", "d"} {
		give(s, session.Event{Data: data})
	}
	if got := queued(s); got != "d" || s.skipped != 3 || f.bytes == nil || f.begin() != gone {
		t.Errorf("waiting %q, skipped %d, with %d bytes being written; want d, 3, some", got, s.skipped, len(f.bytes))
	}
	if f.inList {
		t.Error("what is being written is looked at again whenever there is no room")
	}
	if f.done(); f.bytes != nil || h.budget.held.Load() != s.queue.bytes+placeBytes {
		t.Errorf("%d bytes are held when all is written; want %d and a place", h.budget.held.Load(), s.queue.bytes)
	}
	f.release()
}

// Fault 8: what is held back counts like everything that waits, and others do not pay.
func TestHeldBackEventsLeaveOtherSocketsTheirShare(t *testing.T) {
	h := newHub(t, HubOptions{QueueBytes: 64 << 10})
	replayed := func(at int64) []session.Event {
		return []session.Event{{ID: "ahead", Source: "alice", Action: session.Updating, Type: session.UserSession, At: at}}
	}
	held := waitingSocket(h, &user{})
	held.begin(h.budget.newReplay(replayed(5000), nil))
	other := waitingSocket(h, &user{})
	other.begin(nil)
	for n := range 1000 {
		e := session.Event{ID: fmt.Sprint(n), Data: strings.Repeat("x", 1<<10), Source: "alice", Action: session.Updating, Type: session.UserSession, At: 4}
		give(held, e)
	}
	for n := range 10 {
		give(other, session.Event{Data: fmt.Sprint(n)})
	}
	if got, want := queued(other), "0 1 2 3 4 5 6 7 8 9"; got != want || other.skipped != 0 {
		t.Errorf("the other socket's queue is %q, %d skipped; want %q", got, other.skipped, want)
	}
	if n := h.budget.held.Load(); n > 64<<10 {
		t.Errorf("%d bytes are held; want %d at most", n, 64<<10)
	}
	held.tidy(time.Now().Add(time.Hour))
	if held.skipped == 0 || len(held.replayed.early) != 0 {
		t.Errorf("%d skipped and %d held back in the end; want some, none", held.skipped, len(held.replayed.early))
	}
}

// One socket may hold back as much as may wait for it.
func TestHeldBackEventsOfOneSocketAreBounded(t *testing.T) {
	h := newHub(t, HubOptions{})
	s := waitingSocket(h, &user{})
	s.begin(h.budget.newReplay([]session.Event{{ID: "ahead", Source: "alice", Action: session.Updating, Type: session.UserSession, At: 5000}}, nil))
	for n := range 100 {
		give(s, session.Event{ID: fmt.Sprint(n), Data: strings.Repeat("x", 100<<10), Source: "alice", Action: session.Updating, Type: session.UserSession, At: 4})
		if got := s.queue.bytes + s.replayed.held(); got > maxQueueBytes+101<<10 {
			t.Fatalf("%d bytes wait for one socket after %d events; want about %d", got, n+1, maxQueueBytes)
		}
	}
}

// Sockets that do not read, and two large events for each.
func TestSocketsThatDoNotReadStayWithinTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 400 sockets")
	}
	const sockets, size, budget = 400, 258 << 10, 8 << 20
	h := newHost(t, HubOptions{QueueBytes: budget, Stall: time.Hour})
	for i := range sockets {
		h.raw(fmt.Sprintf("p/u%d?replay=0", i))
	}
	healthy := h.dial("p/healthy?replay=0")
	h.eventually("all are open", func() bool { return h.opened() == sockets+1 })
	before := heap()
	data := strings.Repeat("x", size)
	most := uint64(0)
	for i := range 2 * sockets {
		h.submit("p", "x", data, func(e *session.Event) {
			e.TargetUser, e.Type = fmt.Sprint("u", i%sockets), session.DataNotification
		})
		if i%50 == 0 {
			most = max(most, heap())
			h.submit("p", "x", fmt.Sprint(i), func(e *session.Event) { e.TargetUser, e.Type = "healthy", session.DataNotification })
			// Who reads gets what is for it. The others may be cut, and logged out, meanwhile.
			e := healthy.next()
			for e.Action == session.Logout {
				e = healthy.next()
			}
			if e.Data != fmt.Sprint(i) {
				t.Errorf("event = %+v; want data %d", e, i)
			}
		}
		if held := h.Stats().Held; held > budget {
			t.Fatalf("%d bytes are held; want %d at most", held, budget)
		}
	}
	most = max(most, heap())
	const slack = 8 << 20
	if most > before+budget+slack {
		t.Errorf("%d MB more than before; want %d at most", (most-before)>>20, (budget+slack)>>20)
	}
	if n := h.Stats().Skipped; n == 0 {
		t.Error("nothing is skipped of what is over the budget")
	}
}

// Sockets that do not read their replay, while the store turns over.
func TestReplaysThatNobodyReadsStayWithinTheBudget(t *testing.T) {
	const users, size, rounds, budget = 40, 64 << 10, 20, 8 << 20
	h := newHost(t, HubOptions{QueueBytes: budget, Stall: time.Hour})
	for i := range users {
		h.store.Join("p", fmt.Sprint("u", i))
	}
	before := heap()
	data := strings.Repeat("x", size)
	for round := range rounds { // 50 MB in all
		for i := range users {
			h.submit("p", fmt.Sprint("u", i), data)
		}
		h.raw(fmt.Sprint("p/opener", round))
		h.eventually("open", func() bool { return h.opened() == round+1 })
		if held := h.budget.held.Load(); held > budget {
			t.Fatalf("round %d: %d bytes are held; want %d at most", round, held, budget)
		}
		if all := h.Stats().Held; all > budget+budget/4 {
			t.Fatalf("round %d: %d bytes are held with lists; want %d at most", round, all, budget+budget/4)
		}
	}
	const stored, slack = users * size, 8 << 20
	if now := heap(); now > before+budget+stored+slack {
		t.Errorf("%d MB more than before; want %d at most", (now-before)>>20, (budget+stored+slack)>>20)
	}
	// Who opens and reads gets the whole replay.
	reader := h.dial("p/reader")
	for range users {
		reader.next()
	}
}

// A socket that has begun with a large event and takes nothing is in the way of others,
// who wait until it is done, or given up.
func TestWhoCannotBeginWaitsForASocketThatIsGivenUp(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	h := newHost(t, HubOptions{QueueBytes: 3 * size, Stall: time.Hour})
	for range 3 {
		h.raw("p/stuck?replay=0")
	}
	reader := h.dial("p/reader?replay=0")
	h.eventually("all are open", func() bool { return h.opened() == 4 })
	data := strings.Repeat("x", size)
	for _, to := range []string{"stuck", "reader"} {
		h.submit("p", "x", data, func(e *session.Event) { e.TargetUser = to })
		if to == "stuck" {
			h.eventually("it is being written", func() bool { return h.budget.writing.Load() >= size })
		}
	}
	reader.want(data)
	h.eventually("who was in the way is gone", func() bool { return h.Stats().Closed[websocket.ReasonStalled] == 3 })
}

// So it is with one that takes little.
func TestWhoCannotBeginWaitsForASocketThatIsSlow(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	h := newHost(t, HubOptions{QueueBytes: 3 * size, Stall: time.Hour})
	var slow []net.Conn
	for range 3 {
		c, _ := h.raw("p/slow?replay=0")
		slow = append(slow, c)
	}
	reader := h.dial("p/reader?replay=0")
	h.eventually("all are open", func() bool { return h.opened() == 4 })
	data := strings.Repeat("x", size)
	h.submit("p", "x", data, func(e *session.Event) { e.TargetUser = "slow" })
	h.eventually("it is being written", func() bool { return h.budget.writing.Load() >= size })
	var reading sync.WaitGroup
	defer reading.Wait()
	for _, c := range slow {
		defer c.Close()
		reading.Go(func() {
			for part := make([]byte, 1024); ; time.Sleep(100 * time.Millisecond) {
				if _, err := c.Read(part); err != nil {
					return
				}
			}
		})
	}
	h.submit("p", "x", data, func(e *session.Event) { e.TargetUser = "reader" })
	reader.want(data)
	h.eventually("who was in the way is gone", func() bool { return h.Stats().Closed[websocket.ReasonStalled] == 3 })
}

// Every frame goes, whichever socket had it: the budget of a hub that nobody waits at is empty.
func TestTheBudgetIsPaidBack(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{QueueBytes: 256 << 10})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				s := h.dial(fmt.Sprint("p/u", i))
				h.submit("p", fmt.Sprint("u", i), strings.Repeat("x", 20<<10))
				s.read()
				s.c.CloseNow()
			}
		})
	}
	all.Wait()
	h.eventually("nothing is held", func() bool {
		h.rooms.tidy(time.Now().Add(time.Hour))
		return h.Stats().Held == 0 && h.budget.writing.Load() == 0
	})
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	if h.budget.first != nil || h.budget.last != nil {
		t.Error("frames are in the budget that nobody has")
	}
}

// Where nobody writes any more, all who wait try again, and nobody is in the way of others.
func TestWhoWaitsForNobodyTriesAgain(t *testing.T) {
	t.Parallel()
	h := newHub(t, HubOptions{QueueBytes: 1000})
	b := &h.budget
	first, second := waitingSocket(h, &user{}), waitingSocket(h, &user{})
	first.waits, second.waits = true, true
	b.writing.Add(1) // of somebody who will not begin
	b.wait(&first.writer)
	if !b.pressed() {
		t.Error("nobody waits, where somebody writes")
	}
	b.writing.Add(-1)
	b.wait(&second.writer)
	for i, s := range []*socket{first, second} {
		s.mu.Lock()
		if s.waits {
			t.Errorf("socket %d waits for nobody", i)
		}
		s.mu.Unlock()
	}
	if !b.pressed() {
		t.Error("nobody has waited until just now")
	}
	b.hard.Add(-int64(pressTime))
	if b.pressed() {
		t.Error("sockets that wait for nobody press the others")
	}
}

// A countingTLS counts writes.
type countingTLS struct {
	net.Conn
	writes atomic.Int32
}

func (c *countingTLS) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// A peer over TLS that pauses for longer than a step is waited for, without being asked all
// the time.
func TestAPeerOverTLSMayPause(t *testing.T) {
	t.Parallel()
	cert, key := testkit.Certificate(t, t.TempDir(), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	peer, accepted := testkit.Connect(t, testkit.Listen(t))
	limitKernelBuffer(accepted)
	far := &countingTLS{Conn: tls.Server(accepted, &tls.Config{Certificates: []tls.Certificate{pair}})}
	const size = 16 << 20
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		c := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Error(err)
		}
		time.Sleep(writeStep + writeStep/2)
		if n, err := io.CopyN(io.Discard, c, size); err != nil {
			t.Errorf("the peer got %d bytes, %v; want %d", n, err, size)
		}
	})
	w := &writer{hub: newHub(t, HubOptions{Stall: patience}), conn: far, tls: true}
	if n, err := w.writeAll(net.Buffers{make([]byte, size)}); n != size || err != nil {
		t.Errorf("%d bytes are written, %v; want %d", n, err, size)
	}
	if n := far.writes.Load(); n > 2*size/batchBytes {
		t.Errorf("%d writes for %d bytes", n, size)
	}
}
