package screens

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/wire"
)

// largeEvents are stored ones of as many users, with so many bytes of data each.
func largeEvents(n, size int) (events []session.Event) {
	for i := range n {
		events = append(events, session.Event{
			ID: fmt.Sprint(i), Source: fmt.Sprint("u", i), Target: "c", Data: strings.Repeat("x", size),
			Action: session.Updating, Type: session.UserSession, Practice: "p",
		})
	}
	return events
}

// A socket that does not read costs a part of its replay, not all of it.
func TestReplayIsEncodedAsItIsRead(t *testing.T) {
	h := newHost(t, HubOptions{})
	s := waitingSocket(h.Hub, &user{practice: "p", name: "u"})
	events := largeEvents(40, 20<<10)
	s.begin(h.budget.newReplay(events, nil)) // before the upgrade, so that nothing is written
	held := h.budget.held.Load()
	var all []byte
	for parts := 0; ; parts++ {
		b := &batch{}
		s.mu.Lock()
		more := s.next(b)
		s.mu.Unlock()
		if !more {
			if parts < 10 {
				t.Errorf("replay came in %d parts; want 10 or more", parts)
			}
			break
		}
		if limit := int64(batchBytes + 21<<10); b.size > limit {
			t.Errorf("part of %d bytes; want %d at most", b.size, limit)
		}
		for _, p := range b.bytes {
			all = append(all, p...)
		}
		s.wrote(b, 0, nil)
	}
	var want []byte
	for _, e := range events {
		text := e.JSON()
		want = append(wire.AppendTextHeader(want, len(text)), text...)
	}
	if string(all) != string(want) {
		t.Errorf("replay is %d bytes, not the %d of its events in order", len(all), len(want))
	}
	if !s.user.lately.replayed.has(39) {
		t.Error("the last event is not noted as written")
	}
	if now := h.budget.held.Load(); now != held {
		t.Errorf("%d bytes are held, %d before a socket took its replay; want as many: it shares them", now, held)
	}
}

// While replays take too much memory, a socket soon skips what it has not written of its own,
// and is told. Frames are not given up for that.
func TestSlowReplayIsSkippedWhileReplaysAreCrowded(t *testing.T) {
	h := newHost(t, HubOptions{})
	s := waitingSocket(h.Hub, &user{practice: "p", name: "u"})
	events := largeEvents(10, batchBytes)
	before := h.Stats().Held
	s.begin(h.budget.newReplay(events, nil))
	part := &batch{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.next(part) {
		t.Fatal("nothing of the replay goes out")
	}
	later := s.opened.Add(crowdedAfter + time.Millisecond)
	s.settle(later)
	if s.replayed.len() != len(events) {
		t.Fatal("the socket let go of its replay though there is room")
	}
	crowd := h.budget.limit
	h.budget.list(crowd)
	defer h.budget.list(-crowd)
	s.settle(s.opened.Add(crowdedAfter / 2))
	if s.replayed.len() != len(events) {
		t.Fatal("the socket let go of its replay before its time")
	}
	live := h.budget.newFrame(events[0], false)
	if live.lost() {
		t.Error("there is no room for a live event because of replays")
	}
	live.release()
	s.settle(later)
	if want := uint64(len(events) - len(part.frames)); s.skipped != want || s.replayed.len() != 0 {
		t.Errorf("skipped %d of the replay; want %d, and the replay gone", s.skipped, want)
	}
	s.mu.Unlock()
	s.wrote(part, 0, nil)
	s.mu.Lock()
	if got := len(s.user.lately.events); got != len(part.frames) {
		t.Errorf("%d events are noted as written; want the %d of the part that was on its way", got, len(part.frames))
	}
	s.user.lately.forget(time.Now().Add(time.Minute))
	if now := h.Stats().Held - crowd; now != before {
		t.Errorf("%d bytes are held at the end; want the %d before", now, before)
	}
}

// What stays of a frame that is given up is counted as long as a replay has it, whichever
// made it, and marks as long as a socket has them.
func TestMemoryOfReplaysIsCountedWhileTheyAreThere(t *testing.T) {
	h := newHost(t, HubOptions{QueueBytes: 1 << 20})
	b := &h.budget
	events := make([]session.Event, 100)
	for i := range events {
		events[i] = update(fmt.Sprint("u", i), fmt.Sprint(i))
	}
	first := b.newReplay(events, nil)
	events[0] = update("u0", "new")
	second := b.newReplay(events, first)
	first.release()
	if got := b.lists.Load(); got != second.size() {
		t.Errorf("lists are %d bytes; want the %d of the replay that is left", got, second.size())
	}
	filler := b.newFrame(session.Event{Data: strings.Repeat("x", 2<<20)}, false)
	filler.release()
	if !second.events[0].lost() || !second.events[99].lost() {
		t.Fatal("the replay's events are not given up")
	}
	rest := int64(0)
	for _, f := range second.events {
		rest += f.rest
	}
	if got := b.lists.Load(); got != second.size()+rest {
		t.Errorf("lists are %d bytes; want %d with what stays of given-up events", got, second.size()+rest)
	}
	b.list(b.limit) // crowded
	third := b.newReplay(append(events, update("u100", "100")), second)
	b.list(-b.limit)
	if third.events[5] != second.events[5] || third.events[100].lost() {
		t.Error("a given-up event is made anew where there is no room, or a new one is not")
	}
	second.release()
	s := waitingSocket(h.Hub, &user{practice: "p", name: "u"})
	s.begin(third)
	s.mu.Lock()
	s.replayed.pass(7)
	if got := b.lists.Load(); got != third.size()+rest+s.replayed.passed.size() {
		t.Errorf("lists are %d bytes; want %d with the marks", got, third.size()+rest+s.replayed.passed.size())
	}
	s.clear()
	s.mu.Unlock()
	if held, lists := b.held.Load(), b.lists.Load(); held != 0 || lists != 0 {
		t.Errorf("%d bytes are held, %d of lists, when all is gone; want none", held, lists)
	}
}

// Where a replay is let go of early, what looks older than it goes out before what is on its
// way, which may come twice: the latest comes last.
func TestTheLatestComesLastWhenAReplayIsLetGoOf(t *testing.T) {
	t.Parallel()
	h := newHub(t, HubOptions{})
	s := waitingSocket(h, &user{name: "u"})
	event := func(id string, at int64) session.Event {
		return session.Event{ID: id, Data: id, Source: "alice", Action: session.Updating, Type: session.UserSession, Practice: "p", At: at}
	}
	drain := func() (ids []string) {
		for {
			b := &batch{}
			s.mu.Lock()
			more := s.next(b)
			s.mu.Unlock()
			if !more {
				return ids
			}
			for _, f := range b.frames {
				ids = append(ids, f.id)
			}
			s.wrote(b, 0, nil)
		}
	}
	s.begin(h.budget.newReplay([]session.Event{event("latest", 100)}, nil))
	drain()
	give(s, event("overtaken", 90))
	h.budget.list(h.budget.limit) // crowded
	s.tidy(s.opened.Add(crowdedAfter + time.Millisecond))
	h.budget.list(-h.budget.limit)
	give(s, event("latest", 100))
	s.tidy(s.opened.Add(2 * crowdedAfter))
	if got := drain(); len(got) == 0 || got[len(got)-1] != "latest" {
		t.Errorf("%v come after the replay; want the latest last", got)
	}
}
