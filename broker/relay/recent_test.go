//go:build unix

package relay

import (
	"strconv"
	"sync/atomic"
	"testing"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
)

func TestRecentRemembersTheLast(t *testing.T) {
	var r recent
	for n := range 3 * recentEvents {
		if id := strconv.Itoa(n); r.again(id) || !r.again(id) {
			t.Fatalf("again(%s) is not false, then true", id)
		}
	}
	if oldest := strconv.Itoa(2 * recentEvents); !r.again(oldest) {
		t.Errorf("again(%s) = false; want it remembered", oldest)
	}
	if forgotten := strconv.Itoa(2*recentEvents - 1); r.again(forgotten) || len(r.has) != recentEvents {
		t.Errorf("%d ids are remembered, %s among them; want %d", len(r.has), forgotten, recentEvents)
	}
}

// What had no answer is published again, and may have arrived the first time, too.
func TestSessionEventPublishedAgainArrivesOnce(t *testing.T) {
	server := startRedis(t)
	i := newInstance(t, server.URL(), Options{}, nil)
	up(t, i)
	e := session.Event{ID: "1", Source: "u", Target: "c", Action: session.Viewing, Type: session.UserSession, Origin: NewOrigin().String()}
	last := e
	last.ID = "2"
	for _, e := range []session.Event{e, e, last} {
		server.Do("PUBLISH", "my-redis-channel", string(e.JSON()))
	}
	testkit.Eventually(t, "the last event", func() bool {
		all := i.sessionEvents()
		return len(all) > 0 && all[len(all)-1].ID == last.ID
	})
	if n := len(i.sessionEvents()); n != 2 {
		t.Errorf("%d events arrived; want 2", n)
	}
	if n := i.relay.Stats().Duplicates; n != 1 {
		t.Errorf("%d duplicates counted; want 1", n)
	}
}

// A session event that never came is counted when the next one does, and the owner is
// told so; so he is when the channel is subscribed to again.
func TestMissedSessionEventsAreCountedAndTold(t *testing.T) {
	server := startRedis(t)
	var told atomic.Int64
	a := newInstance(t, server.URL(), Options{}, nil)
	b := newInstance(t, server.URL(), Options{Resubscribed: func() { told.Add(1) }}, nil)
	up(t, a, b)
	testkit.Eventually(t, "b hears session events", b.relay.sessions.subscriber.subscribed)
	offer := func(id string) {
		a.relay.OfferSession(session.Event{ID: id, Source: "u", Action: session.Viewing, Type: session.UserSession})
	}
	arrived := func(id string) {
		t.Helper()
		testkit.Eventually(t, "the event", func() bool {
			all := b.sessionEvents()
			return len(all) > 0 && all[len(all)-1].ID == id
		})
	}
	offer("1")
	arrived("1")
	a.relay.sessions.publisher.outbox.logs[0].refused.Add(3) // as if three had been too large
	offer("5")
	arrived("5")
	offer("6")
	arrived("6")
	testkit.Eventually(t, "told of the gap", func() bool { return told.Load() == 1 })
	if gaps := b.relay.Stats().SessionGaps; gaps != 3 {
		t.Errorf("gaps of %d session events; want 3", gaps)
	}
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	testkit.Eventually(t, "told that it has subscribed again", func() bool { return told.Load() >= 2 })
}
