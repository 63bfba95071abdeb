//go:build unix

package instances

import (
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// Redis answers nothing for a minute: what the instances drop meanwhile is
// exactly what the other one's consumers are told of.
func TestFault10ServerStopsAndGoesOn(t *testing.T) { overEach(t, testFault10ServerStopsAndGoesOn) }

func testFault10ServerStopsAndGoesOn(t *testing.T, c carrier) {
	all := c.startAll(2)
	p := c.newPair(all[0], all[1], 250)
	c.server.Stop()
	begin := time.Now()
	p.away(p.a, p.b)
	for time.Since(begin) < 60*time.Second {
		p.wantLocalSession()
		time.Sleep(time.Second)
	}
	p.away(p.a, p.b)
	c.server.Continue()
	p.settled()
	for _, way := range []struct{ from, to *instance }{{p.a, p.b}, {p.b, p.a}} {
		if gaps, dropped, unsure := way.to.gaps(), way.from.dropped(), way.from.unanswered(); c.kind == "redis" && gaps > dropped || gaps < dropped-unsure || gaps == 0 {
			t.Errorf("gaps %v, dropped %v, %v of them unanswered; want the same but for these, not 0", gaps, dropped, unsure)
		}
		if expired := way.from.Metric(`dispatcher_relay_dropped_events_total{events="firehose",reason="expired"}`); expired+way.from.unanswered() != way.from.dropped() {
			t.Errorf("dropped %v, %v of them for their age; want all", way.from.dropped(), expired)
		}
	}
}

// The outbox is too small for what comes while Redis is stopped.
func TestFault10WithTooSmallAnOutbox(t *testing.T) { overEach(t, testFault10WithTooSmallAnOutbox) }

func testFault10WithTooSmallAnOutbox(t *testing.T, c carrier) {
	all := c.startAll(2, "-max-body", "16384", "-redis-outbox-bytes", "1")
	a, far := all[0].player(1), all[1].listen()
	near := all[0].listen()
	a.publish(100)
	far.wantBooks(100)
	c.server.Stop()
	a.publish(4000) // the outbox takes a few hundred
	near.wantBooks(a.sent())
	c.server.Continue()
	together(t, all...)
	a.publish(1)
	far.wantBooks(a.sent())
	full := all[0].Metric(`dispatcher_relay_dropped_events_total{events="firehose",reason="full"}`)
	if gaps, dropped := all[1].gaps(), all[0].dropped(); c.kind == "redis" && gaps > dropped || gaps < dropped-all[0].unanswered() || full == 0 {
		// NATS does not say who listens: what is published before the other is back is missed, too.
		t.Errorf("gaps %v, dropped %v, %v of them for lack of room; want the same, some", gaps, all[0].dropped(), full)
	}
}

func TestFault11ServerIsKilledAndRestarted(t *testing.T) {
	overEach(t, testFault11ServerIsKilledAndRestarted)
}

func testFault11ServerIsKilledAndRestarted(t *testing.T, c carrier) {
	all := c.startAll(2)
	p := c.newPair(all[0], all[1], 100)
	before := p.subscriptions()
	c.server.Kill()
	begin := time.Now()
	p.away(p.a, p.b)
	for time.Since(begin) < 20*time.Second {
		p.wantLocalSession()
		time.Sleep(time.Second)
	}
	c.server.Restart()
	begin = time.Now()
	testkit.Eventually(t, "subscribed again", func() bool { return p.subscriptions() >= before+2 })
	t.Logf("both subscribed %v after the start", time.Since(begin))
	together(t, p.a, p.b)
	t.Logf("both in full service %v after the start", time.Since(begin))
	testkit.Eventually(t, "the empty Redis learns who is active", func() bool {
		users := c.redis.Do("SMEMBERS", "users")
		return strings.Contains(users, "p/alice") && strings.Contains(users, "p/bob")
	})
	p.settled()
	for _, i := range all {
		for _, line := range []string{`"relay: subscription lost"`, `"relay: cannot publish"`, `"` + c.kind + `":"` + c.addr + `"`} {
			if !strings.Contains(i.Log.String(), line) {
				t.Errorf("the log has no %s", line)
			}
		}
	}
}

// subscriptions is how often both subscribed to the players' events, in all.
func (p *pair) subscriptions() (n float64) {
	for _, i := range []*instance{p.a, p.b} {
		n += i.Metric(`dispatcher_relay_subscriptions_total{events="firehose"}`)
	}
	return n
}

func TestFault12SubscribersAreKickedEverySecond(t *testing.T) {
	overEach(t, testFault12SubscribersAreKickedEverySecond)
}

func testFault12SubscribersAreKickedEverySecond(t *testing.T, c carrier) {
	all := c.startAll(2)
	p := c.newPair(all[0], all[1], 100)
	before := p.subscriptions()
	const kicks = 25
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range kicks {
		<-tick.C
		c.kick()
		p.wantLocalSession()
	}
	p.settled()
	if again := p.subscriptions() - before; again < 2 || again > 2*kicks {
		t.Errorf("subscribed %v times again after %d kicks of two instances", again, kicks)
	}
}

// A partition between one instance and Redis: each serves its own, and what is
// old when it ends is not sent as if it were new.
func TestFault13PartitionedInstancesServeTheirOwn(t *testing.T) {
	overEach(t, testFault13PartitionedInstancesServeTheirOwn)
}

func testFault13PartitionedInstancesServeTheirOwn(t *testing.T, c carrier) {
	wire := newCable(t, c.addr)
	p := c.newPair(start(t, c.at(c.addr)...), start(t, c.at(wire.addr)...), 100)
	wire.cut()
	begin := time.Now()
	p.away(p.b)
	// From here on nothing of b's is on its way any more but what is stuck
	// already; one may be in the hands of its handler.
	stuck := p.playsB.sent() + 1
	for time.Since(begin) < 30*time.Second {
		p.wantLocalSession()
		time.Sleep(time.Second)
	}
	mended := time.Now()
	wire.mend()
	p.settled()
	const maxAge = 5 * time.Second // of what waits for Redis
	for _, way := range []struct {
		from  *load
		first int
		at    *stream
	}{{p.playsA, p.playsA.before(begin.Add(maxAge)), p.atB}, {p.playsB, stuck, p.atA}} {
		old := way.from.before(mended.Add(-maxAge))
		if late := way.at.of(way.from.id, way.first, old); len(late) > 0 || old <= way.first {
			t.Errorf("%d events of the partition arrived after it, from %d to %d; want none", len(late), way.first, old)
		}
	}
}
