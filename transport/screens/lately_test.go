package screens

import (
	"fmt"
	"testing"
	"time"

	"event-dispatcher/broker/session"
)

func TestLatelyIsBoundedAndKeepsTheNewest(t *testing.T) {
	t.Parallel()
	var l lately
	now := time.Now()
	const events = 3*maxLately + 7
	for n := range events {
		l.add(now, noted(fmt.Sprint(n)))
	}
	if cap(l.events) > 2*maxLately {
		t.Errorf("room for %d events after %d; want %d at most", cap(l.events), events, 2*maxLately)
	}
	got := l.all(now)
	for n := events - maxLately/2; n < events; n++ {
		if !got[hashOf(fmt.Sprint(n))] {
			t.Fatalf("event %d of %d is forgotten", n, events)
		}
	}
	later := now.Add(guardWindow / 2)
	l.add(later, noted("later"))
	if got := l.all(now.Add(guardWindow)); len(got) != 1 || !got[hashOf("later")] {
		t.Errorf("after the window %d events are left; want the later one", len(got))
	}
	if l.forget(now.Add(guardWindow)) {
		t.Error("forget() = true with an event left")
	}
	if !l.forget(later.Add(guardWindow)) || l.events != nil {
		t.Error("forget() = false after the window of all")
	}
}

func noted(id string) []*frame {
	return []*frame{{hash: hashOf(id), slot: slot{"u", session.Updating}}}
}

// What is never replayed need not be remembered.
func TestOnlyStoredEventsAreRemembered(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	s := h.dial("p/u")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	for n := range 5 {
		h.submit("p", "x", fmt.Sprint(n), func(e *session.Event) { e.Type = session.DataNotification })
	}
	stored := h.submit("p", "x", "stored")
	s.want("0", "1", "2", "3", "4", "stored")
	h.eventually("counted", func() bool { return h.Stats().Delivered == 6 })
	u := h.list()[0].user
	if got := u.lately.all(time.Now()); len(got) > 1 || len(got) == 1 && !got[hashOf(stored.ID)] {
		t.Errorf("%d events are remembered; want the stored one", len(got))
	}
}
