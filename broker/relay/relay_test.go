//go:build unix

package relay

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestEventsReachEveryOtherInstanceOnceAndInOrder(t *testing.T) {
	overEach(t, testEventsReachEveryOtherInstanceOnceAndInOrder)
}

func testEventsReachEveryOtherInstanceOnceAndInOrder(t *testing.T, server engine) {
	seen := [3]inOrder{}
	var all [3]*instance
	for k := range all {
		seen[k].t = t
		all[k] = newInstance(t, server.URL(), Options{}, seen[k].see)
	}
	up(t, all[:]...)

	const n = 5000
	for k := range uint64(n) {
		all[0].post(event(k+1, 200))
	}
	for k, i := range all {
		testkit.Eventually(t, "all events", func() bool { return i.received.Load() == n })
		if bad, skipped := seen[k].bad.Load(), i.skipped.Load(); bad != 0 || skipped != 0 {
			t.Errorf("instance %d: %d events out of order, %d skipped; want none", k, bad, skipped)
		}
	}
	if st := all[0].relay.Stats(); st.Firehose.Received != 0 || givenUp(st.Firehose) != 0 {
		t.Errorf("origin: received %d of its own, dropped %v; want none", st.Firehose.Received, st.Firehose.Dropped)
	}
}

func TestManyEventsShareAnEnvelope(t *testing.T) { overEach(t, testManyEventsShareAnEnvelope) }

func testManyEventsShareAnEnvelope(t *testing.T, server engine) {
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
	up(t, a, b)
	const n = 20_000
	for k := range uint64(n) {
		a.post(event(k, 100))
	}
	testkit.Eventually(t, "all events", func() bool { return b.received.Load() == n })
	if st := a.relay.Stats().Firehose; st.Messages > n/20 {
		t.Errorf("%d events took %d messages; want at most a 20th", n, st.Messages)
	}
}

func TestAnEventLargerThanAnEnvelopeTravelsAlone(t *testing.T) {
	overEach(t, testAnEventLargerThanAnEnvelopeTravelsAlone)
}

func testAnEventLargerThanAnEnvelopeTravelsAlone(t *testing.T, server engine) {
	got := make(chan int, 1)
	a := newInstance(t, server.URL(), Options{}, nil)
	b := newInstance(t, server.URL(), Options{}, func(e []byte) { got <- len(e) })
	up(t, a, b)
	const size = 200 << 10
	a.post(event(1, size))
	if n := <-got; n != size {
		t.Errorf("an event of %d bytes arrived with %d", size, n)
	}
}

func TestPartsAndShardArrive(t *testing.T) { overEach(t, testPartsAndShardArrive) }

func testPartsAndShardArrive(t *testing.T, server engine) {
	type arrival struct {
		shard int
		event string
	}
	arrived := make(chan arrival, 10_000)
	a := newInstance(t, server.URL(), Options{Shards: 4}, nil)
	sink := sinkFunc(func(shard int, event []byte) error {
		arrived <- arrival{shard, string(event)}
		return nil
	})
	b := New(Options{Carrier: carrier(t, server.URL()), Sink: sink, Tick: a.broker.Tick, Shards: 2})
	defer b.Close()
	testkit.Eventually(t, "up", func() bool { return a.relay.Up() && b.Up() })
	// The others learn within a second of shards that they have not themselves.
	testkit.Eventually(t, "the event", func() bool {
		a.relay.Offer(3, a.broker.Tick(time.Now()), []byte(`{"a":1`), []byte(`,"user_ip":"`), []byte("::1"), []byte(`"}`))
		select {
		case got := <-arrived:
			if want := (arrival{1, `{"a":1,"user_ip":"::1"}`}); got != want {
				t.Errorf("arrived %+v; want %+v", got, want)
			}
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
}

type sinkFunc func(int, []byte) error

func (f sinkFunc) Deliver(shard int, event []byte) error { return f(shard, event) }
func (f sinkFunc) Skip(int, uint64) error                { return nil }

func TestSessionEventsTravelAsOneJSONMessageEach(t *testing.T) {
	server := startRedis(t)
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
	up(t, a, b)
	sent := session.Event{
		ID: session.NewID(), Source: "alice", Target: "id_123", Data: `it's "<&>" ☃`,
		Action: session.Updating, Type: session.UserSession, Practice: "p", At: 5,
	}
	a.relay.OfferSession(sent)
	testkit.Eventually(t, "the event", func() bool { return len(b.sessionEvents()) == 1 })
	got := b.sessionEvents()[0]
	if got.Origin != a.relay.Origin().String() {
		t.Errorf("origin %q; want that of the sender", got.Origin)
	}
	if got.Origin = ""; got != sent {
		t.Errorf("got %+v; want %+v", got, sent)
	}

	// What the original service publishes has its six members only.
	const original = `{"eventId":"e1","sourceId":"bob","targetId":"c","data":null,"eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT"}`
	server.Do("PUBLISH", "my-redis-channel", original)
	for _, i := range []*instance{a, b} {
		testkit.Eventually(t, "the original's event", func() bool {
			all := i.sessionEvents()
			return len(all) > 0 && all[len(all)-1].Source == "bob"
		})
	}
	if n := len(a.sessionEvents()); n != 1 {
		t.Errorf("the sender got %d events; its own must not come back", n)
	}
}

// A body of the largest size may be longer as JSON, and has names beside it: what the
// others would take leaves here.
func TestTheLargestSessionEventTravels(t *testing.T) {
	server := startRedis(t)
	const maxEvent = 64 << 10
	a, b := newInstance(t, server.URL(), Options{MaxEvent: maxEvent}, nil), newInstance(t, server.URL(), Options{MaxEvent: maxEvent}, nil)
	up(t, a, b)
	for n, size := range []int{maxEvent - 100, maxEvent, 2*maxEvent + 3<<10} {
		e := session.Event{ID: session.NewID(), Source: "alice", Data: strings.Repeat("x", size), Action: session.Updating, Type: session.UserSession}
		a.relay.OfferSession(e)
		testkit.Eventually(t, "the event", func() bool {
			if dropped := givenUp(a.relay.Stats().Sessions); dropped > 0 {
				t.Fatalf("an event of %d bytes was dropped", size)
			}
			return len(b.sessionEvents()) == n+1
		})
	}
}

func TestForeignMessagesAreCountedAndCostNothingElse(t *testing.T) {
	server := startRedis(t)
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
	up(t, a, b)

	foreign := NewOrigin()
	envelopeOf := func(first uint64, events ...string) string { return envelopeOf(foreign, 3, first, events...) }
	for _, m := range []string{
		"", "hello", strings.Repeat("x", 1000), // foreign
		"evd1" + strings.Repeat("\x00", 60),           // another version
		envelopeOf(0, `{"a":1}`)[:headerSize+5],       // truncated
		envelopeOf(0, `{"a":1}`) + "more",             // too long
		string(appendHeader(nil, foreign, 0, 0, 1e9)), // a count that is not there
		envelopeOf(^uint64(0), `{}`),                  // sequence past the end
		envelopeOf(0, `{"a":1}`, `{"a":`, "\"\xff\"", `{"b":2}`),
	} {
		server.Do("PUBLISH", "event-dispatcher", m)
	}
	server.Do("PUBLISH", "my-redis-channel", "not json")
	const sound = `{"eventId":"x","sourceId":"u","eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT","data":"`
	server.Do("PUBLISH", "my-redis-channel", sound+strings.Repeat("x", a.relay.options.maxSession())+`"}`)
	server.Do("PUBLISH", "my-redis-channel", `{"eventId":1}`)
	server.Do("PUBLISH", "my-redis-channel", "{\"eventId\":\"\xff\"}")
	server.Do("PUBLISH", "my-redis-channel", `{"eventId":"x","sourceId":"","eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT"}`)
	a.post([]byte(`{"last":1}`))

	testkit.Eventually(t, "the events", func() bool { return b.received.Load() == 3 && b.skipped.Load() == 2 })
	testkit.Eventually(t, "the counts", func() bool {
		st := b.relay.Stats()
		want := map[string]uint64{"foreign": 3, "version": 1, "truncated": 3, "sequence": 1, "json": 1, "utf8": 1, "too_large": 0}
		for reason, n := range want {
			if st.DecodeErrors[reason] != n {
				return false
			}
		}
		return st.SessionErrors["json"] == 2 && st.SessionErrors["utf8"] == 1 && st.SessionErrors["field"] == 1 && st.SessionErrors["too_large"] == 1 && st.Gaps["invalid"] == 2
	})
}

func TestLineEndsFromOutsideBecomeSpaces(t *testing.T) {
	server := startRedis(t)
	got := make(chan string, 1)
	a := newInstance(t, server.URL(), Options{}, nil)
	b := newInstance(t, server.URL(), Options{}, func(e []byte) { got <- string(e) })
	up(t, a, b)
	a.relay.Offer(0, a.broker.Tick(time.Now()), []byte("{\r\n\"a\":\n1}"))
	if e := <-got; e != `{  "a": 1}` {
		t.Errorf("got %q; want spaces for line ends", e)
	}
}

func TestRedisAbsentAtStart(t *testing.T) {
	addr := testkit.FreeAddr(t)
	a := newInstance(t, "redis://"+addr, Options{}, nil)
	b := newInstance(t, "redis://"+addr, Options{}, nil)
	a.post(event(1, 100))
	testkit.Eventually(t, "local delivery", func() bool { return a.received.Load() == 1 })
	if a.relay.Up() {
		t.Error("Up() = true without a Redis")
	}
	redistest.StartAt(t, addr)
	up(t, a, b)
	a.post(event(2, 100))
	// The first one may have come, too: it was waiting.
	testkit.Eventually(t, "delivery afterwards", func() bool { return b.received.Load() >= 1 })
}

func TestWrongPasswordIsReportedAndHealsByItself(t *testing.T) {
	server := startRedis(t, "--requirepass", "secret")
	wrong := newInstance(t, "redis://:wrong@"+server.Addr, Options{}, nil)
	right := newInstance(t, "redis://:secret@"+server.Addr, Options{}, nil)
	testkit.Eventually(t, "right password", right.relay.Up)
	wrong.post(event(1, 100))
	testkit.Eventually(t, "local delivery", func() bool { return wrong.received.Load() == 1 })
	if wrong.relay.Up() {
		t.Error("Up() = true with a wrong password")
	}
	server.DoAs("", "secret", "CONFIG", "SET", "requirepass", "wrong")
	testkit.Eventually(t, "once the password is right", wrong.relay.Up)
}

func TestUserOfAnAccessList(t *testing.T) {
	server := startRedis(t, "--user", "relay", "on", ">pw", "~*", "&*", "+@all", "--user", "default", "off")
	a := newInstance(t, "redis://relay:pw@"+server.Addr, Options{}, nil)
	b := newInstance(t, "redis://relay:pw@"+server.Addr+"/", Options{}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	testkit.Eventually(t, "delivery", func() bool { return b.received.Load() == 1 })
}

func TestClusterUsesShardedChannels(t *testing.T) {
	server := redistest.StartNode(t)
	server.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	testkit.Eventually(t, "cluster", func() bool { return strings.Contains(server.Do("CLUSTER", "INFO"), "cluster_state:ok") })
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	a.relay.OfferSession(session.Event{ID: "1", Source: "u", Action: session.Viewing, Type: session.UserSession})
	testkit.Eventually(t, "delivery", func() bool { return b.received.Load() == 1 && len(b.sessionEvents()) == 1 })
	if got := server.Do("PUBSUB", "SHARDCHANNELS"); got != "event-dispatcher" {
		t.Errorf("sharded channels %q; want the firehose's", got)
	}
}

func TestSentinelKnowsTheServer(t *testing.T) {
	server := startRedis(t)
	sentinel := redistest.StartSentinel(t, "main", server)
	url := "redis-sentinel://" + sentinel.Addr + "/main/0"
	a, b := newInstance(t, url, Options{}, nil), newInstance(t, url, Options{}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	testkit.Eventually(t, "delivery", func() bool { return b.received.Load() == 1 })
}

func TestDrainPublishesWhatWasOffered(t *testing.T) { overEach(t, testDrainPublishesWhatWasOffered) }

func testDrainPublishesWhatWasOffered(t *testing.T, server engine) {
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
	up(t, a, b)
	const n = 20_000
	for k := range uint64(n) {
		a.post(event(k, 300))
	}
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := a.relay.Drain(ctx); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	a.relay.Close()
	testkit.Eventually(t, "all events", func() bool { return b.received.Load() == n })
}

func TestCloseReturnsWhileTheServerIsStopped(t *testing.T) {
	overEach(t, testCloseReturnsWhileTheServerIsStopped)
}

func testCloseReturnsWhileTheServerIsStopped(t *testing.T, server engine) {
	a := newInstance(t, server.URL(), Options{}, nil)
	testkit.Eventually(t, "up", a.relay.Up)
	server.Stop()
	defer server.Continue()
	a.post(event(1, 100))
	done := make(chan struct{})
	go func() { a.relay.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Error("Close waits for a Redis that is stopped")
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	origin := NewOrigin()
	events := [][]byte{[]byte(`1`), []byte(`{"a":"b"}`), bytes.Repeat([]byte("9"), 70_000)}
	m := appendHeader(nil, origin, 200, 42, len(events))
	for _, e := range events {
		m = appendLength(m, len(e))
	}
	for _, e := range events {
		m = append(m, e...)
	}
	got, err := decode(m)
	if err != nil || got.origin != origin || got.shard != 200 || got.first != 42 || got.next() != 45 {
		t.Fatalf("decode = %v, %v, %d, %d, %d", err, got.origin, got.shard, got.first, got.next())
	}
	k := 0
	for e := range got.all {
		if !bytes.Equal(e, events[k]) {
			t.Errorf("event %d: %d bytes; want %d", k, len(e), len(events[k]))
		}
		k++
	}
}

func TestDrainOfNothingNeedsNoRedis(t *testing.T) {
	a := newInstance(t, "redis://"+testkit.FreeAddr(t), Options{}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := a.relay.Drain(ctx); err != nil {
		t.Errorf("Drain() of nothing = %v; want nil", err)
	}
	a.post(event(1, 100))
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.relay.Drain(now); err == nil {
		t.Error("Drain() = nil with an event that Redis never took")
	}
}

// An instance hears what it published itself, and knows it by its end.
func TestOwnSessionEventsAreKnownByTheirEnd(t *testing.T) {
	own, other := Origin{1}, Origin{2}
	pack := func(o Origin, data string) string {
		e := session.Event{ID: session.NewID(), Source: "alice", Data: data, Action: session.Updating, Type: session.UserSession, Origin: o.String()}
		return string(append(bytes.TrimSuffix(e.JSON(), []byte(`"}`)), `.17"}`...))
	}
	r := sessionReceiver{self: own.String()}
	for text, want := range map[string]bool{
		pack(own, "x"):   true,
		pack(other, "x"): false,
		pack(other, `"origin":"`+own.String()+`.17"}`): false,
		`{"eventId":"x"}`: false, `"}`: false, `."}`: false, "": false,
	} {
		if got := r.isOwn(text); got != want {
			t.Errorf("isOwn(%s) = %v; want %v", text, got, want)
		}
	}
}
