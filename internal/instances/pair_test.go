//go:build unix

package instances

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A pair is what the faults have in common: two instances, each with a player who
// posts at a steady rate, a consumer, and a user's screen.
type pair struct {
	t            testing.TB
	kind         string // of the carrier of players' events: redis or nats
	a, b         *instance
	atA, atB     *stream
	playsA       *load
	playsB       *load
	alice, bob   *socket // at a and at b, in the same practice
	submissions  int
	loadsStopped bool
}

// newPair starts the load, rate events per second at each instance, once the
// instances hear each other.
func newPair(t testing.TB, a, b *instance, rate int) *pair {
	t.Helper()
	together(t, a, b)
	p := &pair{t: t, kind: "redis", a: a, b: b, atA: a.listen(), atB: b.listen(), alice: a.dial("/ws/p/alice"), bob: b.dial("/ws/p/bob")}
	for _, i := range []*instance{a, b} {
		testkit.Eventually(t, "the user is active", func() bool { return i.Metric("dispatcher_session_active_users") == 1 })
	}
	p.playsA, p.playsB = a.player(1).load(rate), b.player(2).load(rate)
	t.Cleanup(func() { // also if the test has failed
		if !p.loadsStopped {
			p.stop()
		}
	})
	for _, s := range []*stream{p.atA, p.atB} {
		testkit.Eventually(t, "events of both players arrive", func() bool {
			return len(s.of(1, 0, 1<<30)) > rate && len(s.of(2, 0, 1<<30)) > rate
		})
	}
	p.wantSession()
	return p
}

func (p *pair) stop() {
	p.loadsStopped = true
	p.playsA.stop()
	p.playsB.stop()
}

// away waits until the instances say that they are degraded, and still ready.
func (p *pair) away(all ...*instance) {
	p.t.Helper()
	for _, i := range all {
		testkit.Eventually(p.t, "degraded", func() bool {
			status, body := i.Get("/readyz")
			if status != 200 {
				p.t.Fatalf("GET /readyz = %d %s; want 200 while %s cannot be reached", status, body, p.kind)
			}
			return strings.Contains(body, `"degraded":["`+p.kind+`"]`)
		})
	}
}

// submit makes a user change a card, and returns the event's id.
func (p *pair) submit(at *instance, user string) string {
	p.t.Helper()
	p.submissions++
	body := fmt.Sprintf(`{"username":"%s","cardId":"c","data":"%d","practiceId":"p"}`, user, p.submissions)
	status, header, err := at.Post("/poc/submit_update_event", body)
	if status != 200 {
		p.t.Fatalf("submit = %d, %v; want 200", status, err)
	}
	return header.Get("X-Event-Id")
}

// wantLocalSession holds each instance to tell its own screens of what is
// submitted there, whatever becomes of Redis.
func (p *pair) wantLocalSession() {
	p.t.Helper()
	p.alice.wantEvent(p.submit(p.a, "alice"))
	p.bob.wantEvent(p.submit(p.b, "bob"))
}

// wantSession holds what is submitted at one instance to reach the screen at the
// other, and to be known there.
func (p *pair) wantSession() {
	p.t.Helper()
	for _, way := range []struct {
		user     string
		from, to *instance
		screen   *socket
	}{{"alice", p.a, p.b, p.bob}, {"bob", p.b, p.a, p.alice}} {
		// What Redis loses of session events nobody sends again: it may have to
		// be submitted again while the instances find each other.
		var id string
		testkit.Eventually(p.t, "a submission reaches the other instance's screen", func() bool {
			id = p.submit(way.from, way.user)
			return way.screen.gets(id, time.Second)
		})
		testkit.Eventually(p.t, "the other instance knows the event", func() bool {
			_, body := way.to.Get("/poc/replay_event_data/" + way.user)
			return strings.Contains(body, id)
		})
	}
}

// settled waits until the instances are together again, ends the load, and closes
// the books of both consumers: what they were told of as skipped is what their
// instance counted as a gap, and covers what the other one dropped.
func (p *pair) settled() {
	p.t.Helper()
	together(p.t, p.a, p.b)
	p.wantSession()
	p.stop()
	total := p.playsA.sent() + p.playsB.sent()
	for _, side := range []struct {
		near, far *instance
		own       *load
		at        *stream
	}{{p.a, p.b, p.playsA, p.atA}, {p.b, p.a, p.playsB, p.atB}} {
		side.at.wantBooks(total)
		if n := len(side.at.of(side.own.id, 0, side.own.sent())); n != side.own.sent() {
			p.t.Errorf("an instance's own consumer got %d of its %d events", n, side.own.sent())
		}
		received, skipped := side.at.books()
		gaps, dropped := side.near.gaps(), side.far.dropped()
		testkit.Measured(p.t, "over %s: published %d, received %d, skipped %d; gaps told %v, dropped by the other instance %v", p.kind, total, received, skipped, gaps, dropped)
		if unsure := side.far.unanswered(); float64(skipped) != gaps || gaps < dropped-unsure {
			p.t.Errorf("the consumer was told of %d skipped, gaps %v, dropped %v, %v of them unanswered; want the same, and at least what was surely dropped",
				skipped, gaps, dropped, unsure)
		}
		testkit.Eventually(p.t, "the instance is ready, and not degraded", func() bool {
			status, body := side.near.Get("/readyz")
			return status == 200 && !strings.Contains(body, "degraded")
		})
	}
	for _, s := range []*socket{p.alice, p.bob} {
		s.wantNoneTwice()
	}
}

// parted reports whether one of the instances lost its carrier, which a machine that stands
// still for seconds has it do, too. Then gaps are allowed, and must be told.
func parted(t testing.TB, all ...*instance) bool {
	t.Helper()
	lost := slices.ContainsFunc(all, func(i *instance) bool {
		log := i.Log.String()
		return strings.Contains(log, "relay: cannot publish") || strings.Contains(log, "relay: subscription lost")
	})
	if lost {
		t.Log("an instance lost its carrier: gaps are allowed, and must be told")
	}
	return lost
}

// gaps is how many players' events of others did not reach the instance.
func (i *instance) gaps() float64 {
	return i.Metric(`dispatcher_relay_gap_events_total{reason="lost"}`)
}

// unanswered is how many of these had been sent, and may have arrived.
func (i *instance) unanswered() float64 {
	return i.Metric(`dispatcher_relay_dropped_events_total{events="firehose",reason="unanswered"}`)
}

// dropped is how many players' events the instance gave up, for all reasons.
func (i *instance) dropped() float64 {
	return i.Sum("dispatcher_relay_dropped_events_total", `events="firehose"`)
}
