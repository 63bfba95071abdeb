package screens

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker/session"
)

func update(user, id string) session.Event {
	return session.Event{ID: id, Source: user, Data: id, Practice: "p", Action: session.Updating, Type: session.UserSession, At: 1}
}

func TestReplaysShareTheirEvents(t *testing.T) {
	t.Parallel()
	events := []session.Event{update("b", "1"), update("a", "2"), update("c", "3")}
	b := &budget{limit: 1 << 20}
	first := b.newReplay(events, nil)
	again := b.newReplay(events, first)
	if again != first {
		t.Error("a replay of the same events is not the same replay")
	}
	events = []session.Event{update("d", "0"), update("b", "1"), update("a", "4"), update("c", "3")}
	second := b.newReplay(events, first)
	for i, e := range events {
		at, found := second.find(slotOf(e))
		if !found || int(at) != i || !second.events[i].is(e, sumOf(e), false) {
			t.Errorf("event %d: find() = %d, %v, and is %s; want %+v there", i, at, found, second.events[i].bytes, e)
		}
		old, found := first.find(slotOf(e))
		if shared := found && first.events[old] == second.events[i]; shared != (e.ID == "1" || e.ID == "3") {
			t.Errorf("event %s is shared: %v", e.ID, shared)
		}
	}
	if _, found := second.find(slot{"a", session.Viewing}); found {
		t.Error("find() = true for what is not there")
	}
	for _, r := range []*replay{first, again, second} {
		r.release()
	}
	if n := b.held.Load(); n != 0 || b.first != nil || b.last != nil {
		t.Errorf("%d bytes are held by nobody", n)
	}
}

// What many sockets cost that open and do not read does not grow with what is stored.
func TestAStormOfSocketsSharesOneReplay(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{Stall: time.Hour})
	const users, openers = 500, 50
	store := h.store
	for i := range users {
		user := fmt.Sprint("u", i)
		store.Join("p", user)
		h.submit("p", user, strings.Repeat("x", 1<<10))
	}
	var opening sync.WaitGroup
	for i := range openers {
		opening.Go(func() { h.raw(fmt.Sprint("p/n", i)) }) // reads only the handshake
	}
	opening.Wait()
	h.eventually("all are open", func() bool { return h.opened() == openers })
	shared := map[*frame]bool{}
	for _, s := range h.rooms.list() {
		s.mu.Lock()
		for _, e := range s.replayed.events {
			shared[e] = true
		}
		s.mu.Unlock()
	}
	if len(shared) != users {
		t.Errorf("%d sockets hold %d events; want the %d that are stored", openers, len(shared), users)
	}
}
