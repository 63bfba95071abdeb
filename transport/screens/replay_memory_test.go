package screens

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/wire"
)

// A socket that does not read costs a part of its replay, not all of it.
func TestReplayIsEncodedAsItIsRead(t *testing.T) {
	h := newHost(t, HubOptions{})
	s := waitingSocket(h.Hub, &user{practice: "p", name: "u"})
	var events []session.Event
	for i := range 40 {
		events = append(events, session.Event{
			ID: fmt.Sprint(i), Source: fmt.Sprint("u", i), Target: "c", Data: strings.Repeat("x", 20<<10),
			Action: session.Updating, Type: session.UserSession, Practice: "p",
		})
	}
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

// While replays take too much memory, a socket that has not written its own some seconds
// after it opened skips the rest of it, and is told.
func TestSlowReplayIsSkippedWhileReplaysAreCrowded(t *testing.T) {
	h := newHost(t, HubOptions{})
	s := waitingSocket(h.Hub, &user{practice: "p", name: "u"})
	var events []session.Event
	for i := range 10 {
		events = append(events, session.Event{
			ID: fmt.Sprint(i), Source: fmt.Sprint("u", i), Target: "c", Data: strings.Repeat("x", batchBytes),
			Action: session.Updating, Type: session.UserSession, Practice: "p",
		})
	}
	before := h.budget.held.Load()
	s.begin(h.budget.newReplay(events, nil))
	part := &batch{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.next(part) {
		t.Fatal("nothing of the replay goes out")
	}
	later := s.opened.Add(session.OnItsWay + time.Second)
	s.settle(later)
	if s.replayed.len() != len(events) {
		t.Fatal("the socket let go of its replay though there is room")
	}
	crowd := h.budget.limit/4 - h.budget.lists.Load() + 1
	h.budget.list(crowd)
	defer h.budget.list(-crowd)
	s.settle(s.opened.Add(session.OnItsWay / 2))
	if s.replayed.len() != len(events) {
		t.Fatal("the socket let go of its replay before its time")
	}
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
	if now := h.budget.held.Load() - crowd; now != before {
		t.Errorf("%d bytes are held at the end; want the %d before", now, before)
	}
}
