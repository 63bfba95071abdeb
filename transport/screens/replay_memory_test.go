package screens

import (
	"fmt"
	"strings"
	"testing"

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
