package screens

import (
	"fmt"
	"slices"
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
	if cap(l.events) != maxLately {
		t.Errorf("room for %d events after %d; want %d", cap(l.events), events, maxLately)
	}
	got := hashes(l.events)
	for n := events - maxLately/2; n < events; n++ {
		if !got[hashOf(fmt.Sprint(n))] {
			t.Fatalf("event %d of %d is forgotten", n, events)
		}
	}
	later := now.Add(guardWindow / 2)
	l.add(later, noted("later"))
	l.forget(now.Add(guardWindow))
	if got := hashes(l.events); len(got) != 1 || !got[hashOf("later")] || !l.some.Load() {
		t.Errorf("after the window %d events are left; want the later one", len(got))
	}
	if l.forget(later.Add(guardWindow)); l.events != nil || l.some.Load() {
		t.Error("something is left after the window of all")
	}
}

// What users got lately is counted, and bounded together.
func TestWhatUsersGotLatelyIsInTheBudget(t *testing.T) {
	t.Parallel()
	const users, events = 100, 3 * minLately
	b := &budget{limit: users * minLately * writtenBytes * 8} // a quarter has room for two minLately each
	var all [users]lately
	now := time.Now()
	note := func(n int, at time.Time) {
		for i := range all {
			all[i].add(at, []*frame{{hash: eventHash(n), slot: slot{"u", session.Updating}, budget: b}})
		}
	}
	for n := range events {
		note(n, now)
	}
	room := 0
	for i := range all {
		room += cap(all[i].events)
		if last := all[i].events[len(all[i].events)-1].hash; last != events-1 {
			t.Errorf("user %d remembers event %d last; want the newest, %d", i, last, events-1)
		}
	}
	if got, most := b.lately.Load(), b.limit/4; got != int64(room*writtenBytes) || got > most || b.held.Load() != got {
		t.Errorf("%d bytes are counted and %d held for room for %d events; want all, and %d at most", got, b.held.Load(), room, most)
	}
	later := now.Add(guardWindow)
	note(events, later)
	for i := range all {
		all[i].forget(later.Add(guardWindow / 2))
	}
	if got := b.lately.Load(); got != users*minLately*writtenBytes {
		t.Errorf("%d bytes are counted for one event of each of %d users; want %d", got, users, users*minLately*writtenBytes)
	}
	for i := range all {
		all[i].forget(later.Add(guardWindow))
	}
	if got := b.held.Load(); got != 0 {
		t.Errorf("%d bytes are held in the end; want none", got)
	}
}

func hashes(events []written) map[eventHash]bool {
	found := map[eventHash]bool{}
	for _, w := range events {
		found[w.hash] = true
	}
	return found
}

// A user who opens many sockets at once gets the replay in each. It is remembered once.
func TestAReplayIsRememberedOnceHoweverOftenItIsWritten(t *testing.T) {
	t.Parallel()
	const events, sockets, part = 2000, 16, 25
	b := &budget{limit: 1 << 30}
	var stored []session.Event
	for n := range events {
		stored = append(stored, update(fmt.Sprint("u", n), fmt.Sprint(n)))
	}
	r := b.newReplay(stored, nil)
	u := &user{}
	now := time.Now()
	for range sockets {
		for first := int32(0); first < events; first += part {
			u.lately.addShare(now, share{replay: r}, first, first+part)
			now = now.Add(time.Microsecond)
		}
	}
	if n := len(u.lately.replayed); n > events/part || len(u.lately.events) > 0 {
		t.Errorf("%d spans and %d events are remembered after %d sockets; want %d and none, as after one", n, len(u.lately.events), sockets, events/part)
	}
	u.lately.of(r, now).gaps(0, events, func(first, end int32) {
		t.Errorf("of() lacks %d to %d; want all of the replay", first, end)
	})
}

// The practice changes between the openings of a user: whichever replay an event was
// written from, it is not replayed again within the window, and is thereafter.
func TestWhatWasReplayedIsRememberedInLaterReplays(t *testing.T) {
	t.Parallel()
	b := &budget{limit: 1 << 20}
	first := b.newReplay([]session.Event{update("a", "1"), update("b", "2"), update("c", "3"), update("d", "4")}, nil)
	without := b.newReplay([]session.Event{update("c", "3"), update("d", "5")}, first)
	again := b.newReplay([]session.Event{update("b", "2"), update("a", "1"), update("c", "3"), update("d", "5")}, without)
	ids := func(r *replay, in marks) (ids []string) {
		for i, f := range r.events {
			if in.has(int32(i)) {
				ids = append(ids, f.id)
			}
		}
		return ids
	}
	var l lately
	now := time.Now()
	second := now.Add(time.Second)
	l.addShare(now, share{first, marks{1 << 2}}, 0, 4)
	if got := ids(without, l.of(without, now)); got != nil {
		t.Errorf("of() = %v; want nothing: c was left out, and d has another event", got)
	}
	l.addShare(second, share{first, marks{1 << 3}}, 2, 4) // a slower socket of the first replay
	if got, want := ids(without, l.of(without, second)), []string{"3"}; !slices.Equal(got, want) {
		t.Errorf("of() = %v; want %v", got, want)
	}
	l.add(second, []*frame{without.events[1]}) // live
	for _, tt := range []struct {
		at   time.Time
		want []string
	}{
		{second, []string{"2", "1", "3", "5"}},
		{now.Add(guardWindow), []string{"3", "5"}},
		{second.Add(guardWindow), nil},
	} {
		if got := ids(again, l.of(again, tt.at)); !slices.Equal(got, tt.want) {
			t.Errorf("of() after %v = %v; want %v", tt.at.Sub(now), got, tt.want)
		}
	}
}

var plenty = &budget{limit: 1 << 30}

func noted(id string) []*frame {
	return []*frame{{hash: hashOf(id), slot: slot{"u", session.Updating}, budget: plenty}}
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
	u := h.rooms.list()[0].user
	u.lately.mu.Lock()
	defer u.lately.mu.Unlock()
	if got := hashes(u.lately.events); len(got) > 1 || len(got) == 1 && !got[hashOf(stored.ID)] {
		t.Errorf("%d events are remembered; want the stored one", len(got))
	}
}
