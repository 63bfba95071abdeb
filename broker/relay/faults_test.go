//go:build unix

package relay

import (
	"bytes"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// outage publishes on a what a small outbox cannot hold, while fault lasts, and
// checks the sums afterwards. Events of 1 KB; 2 MiB of outbox.
type outage struct {
	a, b   *instance
	seen   inOrder
	posted uint64
}

// newOutage starts two instances; aURL and bURL are usually the same.
func newOutage(t *testing.T, aURL, bURL string, maxAge time.Duration) *outage {
	o := &outage{seen: inOrder{t: t}}
	options := Options{OutboxBytes: 1 << 20, MaxEvent: 16 << 10, MaxAge: maxAge, regather: testkit.Patience}
	o.a = newInstance(t, aURL, options, nil)
	o.b = newInstance(t, bURL, options, o.seen.see)
	up(t, o.a, o.b)
	return o
}

func (o *outage) post(n int) {
	for range n {
		o.posted++
		o.a.post(event(o.posted, 1000))
	}
}

// settled posts one more event and waits until it has come through, and all
// that was lost before it is told.
func (o *outage) settled(t *testing.T) {
	t.Helper()
	up(t, o.a, o.b)
	o.post(1)
	testkit.Eventually(t, "the last event", func() bool { return o.seen.last.Load() == o.posted })
	testkit.Eventually(t, "received + skipped = published", func() bool { return o.b.received.Load()+o.b.skipped.Load() >= o.posted })
	if r, s := o.b.received.Load(), o.b.skipped.Load(); r+s != o.posted || o.seen.bad.Load() != 0 {
		t.Errorf("received %d + skipped %d of %d published, %d out of order or twice", r, s, o.posted, o.seen.bad.Load())
	}
	if got := o.a.received.Load(); got != o.posted {
		t.Errorf("the origin's own consumer got %d of %d", got, o.posted)
	}
	// The last event may arrive before Redis's answer to the one who published it.
	testkit.Eventually(t, "published + dropped = offered", func() bool {
		l := o.a.relay.Stats().Firehose
		return l.Published+givenUp(l) == o.posted
	})
	t.Logf("posted %d, received %d, skipped %d, dropped %v, duplicates passed over %d",
		o.posted, o.b.received.Load(), o.b.skipped.Load(), o.a.relay.Stats().Firehose.Dropped, o.b.relay.Stats().Duplicates)
}

// Fault 10.
func TestStoppedServerGapsEqualDrops(t *testing.T) { overEach(t, testStoppedServerGapsEqualDrops) }

func testStoppedServerGapsEqualDrops(t *testing.T, server engine) {
	o := newOutage(t, server.URL(), server.URL(), -1)
	o.post(100)
	testkit.Eventually(t, "events before", func() bool { return o.b.received.Load() == 100 })

	server.Stop()
	o.post(10_000) // ten times the outbox
	testkit.Eventually(t, "local delivery", func() bool { return o.a.received.Load() == o.posted })
	testkit.Eventually(t, "degraded", func() bool { return !o.a.relay.Up() && !o.b.relay.Up() })
	server.Continue()

	o.settled(t)
	dropped := givenUp(o.a.relay.Stats().Firehose)
	if gaps := o.b.relay.Stats().Gaps["lost"]; gaps != dropped || dropped == 0 {
		t.Errorf("gaps of %d events, %d dropped; want the same, not 0", gaps, dropped)
	}
}

// Also of what was lost it is known which shard it was for.
func TestGapsAreToldInTheirShard(t *testing.T) { overEach(t, testGapsAreToldInTheirShard) }

func testGapsAreToldInTheirShard(t *testing.T, server engine) {
	const shards = 4
	options := Options{Shards: shards, OutboxBytes: 4 << 20, MaxEvent: 16 << 10, MaxAge: -1, regather: testkit.Patience}
	a, b := newInstance(t, server.URL(), options, nil), newInstance(t, server.URL(), options, nil)
	up(t, a, b)
	var posted [shards]uint64
	post := func(shard, n int) {
		for range n {
			posted[shard]++
			a.postTo(shard, event(posted[shard], 1000))
		}
	}
	accounted := func() bool {
		for shard := range posted {
			if b.seen[shard].Load() < posted[shard] {
				return false
			}
		}
		return true
	}
	for shard := range shards {
		post(shard, 10)
	}
	testkit.Eventually(t, "events before", accounted)

	server.Stop()
	post(0, 100) // all wait
	post(1, 5000)
	post(3, 8000)
	testkit.Eventually(t, "degraded", func() bool { return !a.relay.Up() })
	server.Continue()

	for shard := range shards {
		post(shard, 1)
	}
	testkit.Eventually(t, "every shard's books balance", accounted)
	for shard, n := range posted {
		if got := b.seen[shard].Load(); got != n {
			t.Errorf("shard %d: received and skipped %d of %d", shard, got, n)
		}
	}
	st := a.relay.Stats().Firehose
	if gaps := b.relay.Stats().Gaps["lost"]; gaps != givenUp(st) || gaps == 0 || b.skipped.Load() != gaps {
		t.Errorf("gaps of %d events, %d told, %v dropped; want the same, not 0", gaps, b.skipped.Load(), st.Dropped)
	}
}

// Fault 11.
func TestServerKilledAndRestarted(t *testing.T) { overEach(t, testServerKilledAndRestarted) }

func testServerKilledAndRestarted(t *testing.T, server engine) {
	o := newOutage(t, server.URL(), server.URL(), -1)
	o.post(2000)
	server.Kill()
	o.post(5000)
	testkit.Eventually(t, "degraded", func() bool { return !o.a.relay.Up() && !o.b.relay.Up() })
	o.post(5000)
	begin := time.Now()
	server.Restart()
	testkit.Eventually(t, "subscribed again", func() bool {
		return o.a.relay.firehose.subscriber.subscribed() && o.b.relay.firehose.subscriber.subscribed()
	})
	t.Logf("subscribed %v after the start", time.Since(begin))
	o.settled(t)
}

// Fault 12.
func TestSubscribersKickedAgainAndAgain(t *testing.T) {
	server := startRedis(t)
	o := newOutage(t, server.URL(), server.URL(), -1)
	for range 5 {
		before := o.b.relay.Stats().Firehose.Resumed
		o.post(500)
		server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		o.post(500)
		testkit.Eventually(t, "subscribed again", func() bool { return o.b.relay.Stats().Firehose.Resumed > before })
	}
	o.settled(t)
}

// Fault 13.
func TestPartitionDoesNotReplayTheOldAsNew(t *testing.T) {
	server := startRedis(t)
	server.Do("ACL", "SETUSER", "a", "on", ">a", "~*", "&*", "+@all")
	server.Do("ACL", "SETUSER", "b", "on", ">b", "~*", "&*", "+@all")
	const (
		maxAge   = time.Second
		ageSlack = 100 * time.Millisecond // ticks are coarse
	)
	o := newOutage(t, "redis://a:a@"+server.Addr, "redis://b:b@"+server.Addr, maxAge)
	o.post(100)
	testkit.Eventually(t, "events before", func() bool { return o.b.received.Load()+o.b.relay.Stats().Gaps["lost"] >= 100 })

	server.Do("ACL", "SETUSER", "a", "off")
	server.Do("CLIENT", "KILL", "USER", "a")
	testkit.Eventually(t, "a alone", func() bool { return !o.a.relay.Up() })
	before := o.posted
	o.post(1) // gets stuck on its way: it is sent, and has no answer
	testkit.Eventually(t, "one waits for its answer", func() bool { s := o.a.relay.Stats().Firehose; return s.Queued == 0 && s.Failures > 0 })
	o.post(500)
	posted, received := time.Now(), o.b.received.Load()
	testkit.Eventually(t, "a serves its own", func() bool { return o.a.received.Load() == o.posted })
	testkit.Eventually(t, "they are old", func() bool { return time.Since(posted) > maxAge+ageSlack })
	server.Do("ACL", "SETUSER", "a", "on")

	up(t, o.a, o.b)
	testkit.Eventually(t, "dropped for age", func() bool {
		dropped := o.a.relay.Stats().Firehose.Dropped
		return dropped["unanswered"] > 0 && dropped["expired"]+dropped["unanswered"] >= o.posted-before
	})
	o.settled(t)
	if late := o.b.received.Load() - received; late != 1 {
		t.Errorf("%d events arrived after the partition; want the new one alone", late)
	}
}

func TestSlowRedisCostsLatencyOnly(t *testing.T) {
	server := startRedis(t)
	o := newOutage(t, server.URL(), server.URL(), -1)
	o.post(100)
	server.Pause(300 * time.Millisecond)
	o.post(100)
	o.settled(t)
	if skipped := o.b.skipped.Load(); skipped != 0 {
		t.Errorf("%d events skipped; 300 ms fit into the outbox", skipped)
	}
}

// The log does not speak of an end where there was no begin.
func TestWhoMayNotSubscribeIsToldSo(t *testing.T) {
	server := startRedis(t, "--user", "mute", "on", ">secret", "~*", "&*", "+@all", "-subscribe")
	core, lines := observer.New(zapcore.WarnLevel)
	i := newInstance(t, "redis://mute:secret@"+server.Addr, Options{Log: zap.New(core)}, nil)
	testkit.Eventually(t, "it says so", func() bool { return lines.FilterMessage("relay: cannot subscribe").Len() > 0 })
	line := lines.FilterMessage("relay: cannot subscribe").All()[0]
	if line.ContextMap()["check"] == nil {
		t.Errorf("fields %v; want one that says what to check", line.ContextMap())
	}
	if n := lines.FilterMessage("relay: subscription lost").Len(); n != 0 {
		t.Errorf("%d lines say that it is not subscribed any more; it never was", n)
	}
	server.Do("ACL", "SETUSER", "mute", "+subscribe")
	testkit.Eventually(t, "up", i.hears)
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	testkit.Eventually(t, "it says so", func() bool { return lines.FilterMessage("relay: subscription lost").Len() > 0 })
	i.relay.Close()
	after := lines.Len()
	testkit.Eventually(t, "up at another", newInstance(t, server.URL(), Options{}, nil).relay.Up)
	if lines.Len() != after {
		t.Errorf("%d lines after the end", lines.Len()-after)
	}
}

func TestARestartedInstanceIsANewOrigin(t *testing.T) {
	overEach(t, testARestartedInstanceIsANewOrigin)
}

func testARestartedInstanceIsANewOrigin(t *testing.T, server engine) {
	o := newOutage(t, server.URL(), server.URL(), -1)
	o.post(1000)
	o.settled(t)
	skipped, received := o.b.skipped.Load(), o.b.received.Load()
	o.a.relay.Close()
	testkit.Eventually(t, "gone", func() bool { return o.b.relay.Stats().Origins == 0 })
	again := newInstance(t, server.URL(), Options{}, nil)
	testkit.Eventually(t, "up", again.relay.Up)
	testkit.Eventually(t, "heard of", func() bool { return o.b.relay.Stats().Origins == 1 })
	again.post(event(o.posted+1, 100))
	testkit.Eventually(t, "its event", func() bool { return o.b.received.Load() == received+1 })
	if s := o.b.skipped.Load(); s != skipped {
		t.Errorf("%d events skipped; a new origin begins where it begins", s-skipped)
	}
}

// What the outbox's log refuses has no place in it, and is missed all the same.
func TestEventsThatTheOutboxRefusesAreAGap(t *testing.T) {
	overEach(t, testEventsThatTheOutboxRefusesAreAGap)
}

func testEventsThatTheOutboxRefusesAreAGap(t *testing.T, server engine) {
	o := newOutage(t, server.URL(), server.URL(), -1)
	o.post(10)
	testkit.Eventually(t, "events before", func() bool { return o.b.received.Load() == 10 })
	large := event(11, 17<<10) // larger than MaxEvent
	o.posted++
	if err := o.a.broker.Publish(0, o.a.broker.Tick(time.Now()), large); err != nil {
		t.Fatal(err)
	}
	o.a.relay.Offer(0, o.a.broker.Tick(time.Now()), bytes.Repeat(large, 100))
	o.settled(t)
	if dropped, skipped := o.a.relay.Stats().Firehose.Dropped["refused"], o.b.skipped.Load(); dropped != 1 || skipped != 1 {
		t.Errorf("%d refused, %d told as skipped; want 1, 1", dropped, skipped)
	}
}
