package stream

import (
	"fmt"
	"testing"
	"time"

	"event-dispatcher/broker"
)

// Of many conflated views a turn holds back what it may read, and goes on in the next one: who
// takes events as they come is ahead of them, and nobody loses any.
func TestManyConflatedViewsHoldUpNobody(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		plain := r.join(joinOptions{})
		all := []*client{plain}
		const herds, events, size = 40, 30, 15 << 10
		for i := range herds {
			query := fmt.Sprintf("every=%dms&latest=number&members=shard,producer,number,size,pad", 3600_000-i)
			if i%2 > 0 {
				query += "&where=shard=0"
			}
			all = append(all, r.join(joinOptions{view: v.of(query)}))
		}
		r.awaitHerd(len(all))
		r.inLoop(func(l *loop) {
			for range events {
				r.publish(0, size)
			}
			for l.live.pending(l.broker) {
				l.sweep(&l.live, time.Now(), time.Now())
			}
			most := 1 + holdBytes/(herds*size)
			if held, more := l.sweepHolding(time.Now()); held == 0 || held > most || !more {
				t.Errorf("a turn holds back %d events for %d herds, and there are more: %v; want some, %d at most, and true", held, herds, more, most)
			}
		})
		r.wantSwept()
		r.release()
		r.settleViews(all...)
		for i, c := range all {
			if got := c.books(); got.received != events || got.skipped != 0 {
				t.Errorf("client %d received %d events and skipped %d; want %d and 0", i, got.received, got.skipped, events)
			}
		}
	})
}

// However many views conflate by a member, its value is read once in an event.
func TestViewsThatConflateByTheSameMemberShareItsKey(t *testing.T) {
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	v := newViews(t, r.broker)
	queries := []string{"every=1h&latest=value", "every=2m&latest=value", `every=3m&latest=\value&where=number>=0`, "every=4m&latest=number"}
	for _, query := range queries {
		r.join(joinOptions{view: v.of(query)})
	}
	r.awaitHerd(len(queries))
	r.inLoop(func(l *loop) {
		if len(l.keys) != 2 || l.keys["value"].herds != 3 {
			t.Errorf("keys of %d members, one of them for %d herds; want 2, and 3", len(l.keys), l.keys["value"].herds)
		}
		event := []byte(`{"value":"a","number":1}`)
		l.heldEvents++
		read := 0
		for _, h := range l.conflated {
			key, n := l.keyFor(h.conflation, event)
			read += n
			if want := l.keyOf(h.conflation.path, event); key != want {
				t.Errorf("the key by %s is %x; want %x", h.conflation.path, key, want)
			}
		}
		if want := 2 * len(event); read != want {
			t.Errorf("%d bytes read for the keys of %d herds; want %d", read, len(l.conflated), want)
		}
	})
}

// A shard with much to hold back does not keep the others' conflated views from theirs.
func TestShardsTakeTurnsAtBeingHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, broker.Options{Shards: 2, Bytes: 64 << 20, MaxEvent: 300 << 10}, Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
	v := newViews(t, r.broker)
	r.join(joinOptions{shards: 0b01, view: v.of("every=1h&latest=number")})
	r.join(joinOptions{shards: 0b10, view: v.of("every=1h&latest=number")})
	r.awaitHerd(2)
	r.inLoop(func(l *loop) {
		for range 3 * holdBytes / (100 << 10) {
			r.publish(0, 100<<10)
		}
		r.publish(1, 10)
		for range 2 {
			l.turn++
			l.sweepHolding(time.Now())
		}
		if f := &l.holding.fronts[1]; f.cursor.Behind(r.broker.HeadOf(1)) != 0 {
			t.Errorf("after two turns the other shard is %d events behind; want 0", f.cursor.Behind(r.broker.HeadOf(1)))
		}
		if f := &l.holding.fronts[0]; f.cursor.Behind(r.broker.HeadOf(0)) == 0 {
			t.Error("two turns held back all; want more than they may")
		}
	})
}
