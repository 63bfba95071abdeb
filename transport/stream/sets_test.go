package stream

import (
	"math/rand/v2"
	"testing"
	"time"

	"event-dispatcher/broker"
)

// Consumers of many different sets of shards come, stall, catch up and leave.
func TestBooksBalanceWithManySets(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const shards = 6
		o.KeepAlive = 40 * time.Millisecond // so the clock ticks fast, and herds are soon forgotten
		r := newRig(t, tiny(shards), o)
		random := rand.New(rand.NewPCG(6, 8))
		var all []*client
		for round := range 3 {
			for i := range 16 {
				set := 1 + broker.ShardSet(random.Uint64N(1<<shards-1))
				j := joinOptions{shards: set}
				if i%4 == 0 {
					j.buffer, j.stalled = 32<<10, true
				}
				all = append(all, r.join(j))
			}
			r.publishAll(250)
			for i, c := range all[len(all)-16:] {
				if i%4 == 0 {
					c.resume()
				}
			}
			if round%2 == 1 { // half of them leave, and so do some sets
				for _, c := range all[:len(all)/2] {
					c.conn.Close()
				}
				all = all[len(all)/2:]
				r.wantConsumers(len(all))
			}
		}
		r.settle(all...)
		for i, c := range all {
			in, _ := r.inspect(c)
			if got := c.books(); in.Delivered != got.received || in.Skipped != got.skipped {
				t.Errorf("Inspect() = delivered %d, skipped %d for client %d of set %b; want %d, %d",
					in.Delivered, in.Skipped, i, c.shards, got.received, got.skipped)
			}
		}
	})
}

// Nobody follows a shard while nobody wants it, so its next consumer begins where
// its stream was opened, however much was published meanwhile.
func TestShardThatNobodyWantedIsFollowedFromItsNextConsumer(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 4 * time.Millisecond // so the clock ticks fast
		r := newRig(t, tiny(2), o)
		stays := r.join(joinOptions{shards: 0b10})
		first := r.join(joinOptions{shards: 0b01})
		r.publish(0, 100)
		r.settle(first)
		first.conn.Close()
		r.wantConsumers(1)
		r.awaitForgotten(0)
		for range 1000 { // laps those that stand still
			r.publish(0, 100)
		}
		next := r.join(joinOptions{shards: 0b11})
		for shard := range 2 {
			r.publish(shard, 100)
		}
		r.settle(stays, next)
		if got := next.books(); got.received != 2 || got.skipped != 0 {
			t.Errorf("received %d, skipped %d; want 2, 0", got.received, got.skipped)
		}
	})
}
