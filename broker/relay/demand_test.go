//go:build unix

package relay

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/internal/testkit"
)

// A demand is what a test wants.
type demand struct{ set atomic.Uint64 }

func (d *demand) want(set broker.ShardSet) { d.set.Store(uint64(set)) }
func (d *demand) get() broker.ShardSet     { return broker.ShardSet(d.set.Load()) }

// hears reports whether the instance is up and subscribed to what it wants.
func (i *instance) hears() bool { return i.relay.Up() && i.relay.firehose.subscriber.subscribed() }

// heardParts is how many channels of players' events are subscribed to, or will be.
func (i *instance) heardParts() int {
	s := &i.relay.firehose.subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.hearing {
		select {
		case <-e.done:
		default:
			n++
		}
	}
	return n
}

// An instance without consumers takes nothing from the others; one with consumers
// again is not told of what was published meanwhile, which nobody wanted.
func TestNothingTravelsThatNobodyWants(t *testing.T) { overEach(t, testNothingTravelsThatNobodyWants) }

func testNothingTravelsThatNobodyWants(t *testing.T, server engine) {
	a := newInstance(t, server.URL(), Options{}, nil)
	var of demand
	b := newInstance(t, server.URL(), Options{Demand: of.get, Linger: time.Millisecond}, nil)
	testkit.Eventually(t, "up", func() bool { return a.hears() && b.hears() })
	var n uint64
	post := func(events int) {
		for range events {
			n++
			a.post(event(n, 100))
		}
		testkit.Eventually(t, "published", func() bool { return a.relay.Stats().Firehose.Published == n })
	}
	var want uint64
	for range 3 {
		post(100)
		if got := b.received.Load(); got != want || b.heardParts() != 0 {
			t.Errorf("%d events came to an instance without consumers, %d channels heard; want %d, 0", got, b.heardParts(), want)
		}
		of.want(1)
		testkit.Eventually(t, "subscribed", func() bool { return b.heardParts() == 1 && b.hears() })
		post(100)
		want += 100
		testkit.Eventually(t, "the consumers have them", func() bool { return b.received.Load() == want })
		of.want(0)
		testkit.Eventually(t, "nothing is heard", func() bool { return b.heardParts() == 0 })
	}
	if st := b.relay.Stats(); b.skipped.Load() != 0 || st.Gaps["lost"] != 0 {
		t.Errorf("%d events told as skipped, gaps of %d; want 0, 0", b.skipped.Load(), st.Gaps["lost"])
	}
}

// The last consumer that goes may come back at once: what it missed is not missed.
func TestWhatIsNotWantedAnyMoreIsHeardForAWhile(t *testing.T) {
	server := startRedis(t)
	a := newInstance(t, server.URL(), Options{}, nil)
	var of demand
	b := newInstance(t, server.URL(), Options{Demand: of.get, Linger: time.Hour}, nil)
	of.want(1)
	testkit.Eventually(t, "up", func() bool { return b.heardParts() == 1 && a.hears() && b.hears() })
	of.want(0)
	a.post(event(1, 100))
	testkit.Eventually(t, "it has the event", func() bool { return b.received.Load() == 1 })
}

func TestOnlyShardsThatAreWantedTravel(t *testing.T) { overEach(t, testOnlyShardsThatAreWantedTravel) }

func testOnlyShardsThatAreWantedTravel(t *testing.T, server engine) {
	const shards = 4
	a := newInstance(t, server.URL(), Options{Shards: shards}, nil)
	var of demand
	b := newInstance(t, server.URL(), Options{Shards: shards, Demand: of.get, Linger: time.Millisecond}, nil)
	of.want(broker.ShardSet(1<<1 | 1<<3))
	testkit.Eventually(t, "up", func() bool { return b.heardParts() == 3 && a.hears() && b.hears() }) // and the name itself
	const n = 50
	for k := range uint64(n) {
		for shard := range shards {
			a.postTo(shard, event(k+1, 100))
		}
	}
	testkit.Eventually(t, "published", func() bool { return a.relay.Stats().Firehose.Published == n*shards })
	testkit.Eventually(t, "what is wanted", func() bool { return b.seen[1].Load() == n && b.seen[3].Load() == n })
	if got := b.received.Load(); got != 2*n {
		t.Errorf("received %d events; want %d, of two shards of four", got, 2*n)
	}
}

// What other instances publish after Hush is not delivered, and is no gap.
// Whoever waits until what is wanted is heard misses nothing that is accepted then.
func TestAwaitedEventsAllArrive(t *testing.T) { overEach(t, testAwaitedEventsAllArrive) }

func testAwaitedEventsAllArrive(t *testing.T, server engine) {
	a := newInstance(t, server.URL(), Options{}, nil)
	var of demand
	b := newInstance(t, server.URL(), Options{Demand: of.get, Linger: time.Millisecond}, nil)
	testkit.Eventually(t, "up", func() bool { return a.hears() && b.hears() })
	for n := range uint64(5) {
		of.want(1)
		b.relay.Await(t.Context())
		if !b.hears() {
			t.Log("the server took longer than Await waits")
			testkit.Eventually(t, "heard", b.hears)
		}
		a.post(event(n+1, 100))
		testkit.Eventually(t, "the event has come", func() bool { return b.received.Load() == n+1 })
		of.want(0)
		testkit.Eventually(t, "nothing is heard", func() bool { return b.heardParts() == 0 })
	}
	of.want(1)
	server.Stop() // as if it were gone: nobody waits for long
	b.relay.Await(t.Context())
	server.Continue()
	ended, end := context.WithCancel(t.Context())
	end()
	b.relay.Await(ended)
}

func TestHushEndsDelivery(t *testing.T) {
	server := startRedis(t)
	a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{Linger: time.Millisecond}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	testkit.Eventually(t, "an event before", func() bool { return b.received.Load() == 1 })
	b.relay.Hush()
	a.post(event(2, 100))
	testkit.Eventually(t, "published", func() bool { return a.relay.Stats().Firehose.Published == 2 })
	b.post(event(3, 100))
	testkit.Eventually(t, "the other still hears this one", func() bool { return a.received.Load() == 3 })
	if got := b.received.Load(); got != 2 || b.skipped.Load() != 0 {
		t.Errorf("consumers have %d events, and %d are told as skipped; want 2, 0", got, b.skipped.Load())
	}
}
