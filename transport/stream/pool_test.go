package stream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/wake"
	"event-dispatcher/transport/view"
)

func TestMaxConsumersIsALimitOnPlaces(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.MaxConsumers = 3
		r := newRig(t, roomy(1), o)
		a, b := r.join(joinOptions{}), r.join(joinOptions{})
		ticket, err := r.pool.Admit(view.View{Shards: 1})
		if err != nil {
			t.Fatalf("Admit() of the third = %v; want nil", err)
		}
		for range 5 {
			if _, err := r.pool.Admit(view.View{Shards: 1}); !errors.Is(err, ErrFull) {
				t.Errorf("Admit() of the fourth = %v; want ErrFull", err)
			}
		}
		ticket.Forget()
		c := r.join(joinOptions{})
		if _, err := r.pool.Admit(view.View{Shards: 1}); !errors.Is(err, ErrFull) {
			t.Errorf("Admit() of the fourth = %v; want ErrFull", err)
		}
		b.conn.Close()
		eventually(t, func() string {
			if n := r.pool.Stats().Consumers; n != 2 {
				return fmt.Sprintf("Stats().Consumers = %d after one left; want 2", n)
			}
			return ""
		})
		d := r.join(joinOptions{})
		r.publish(0, 10)
		r.settle(a, c, d)

		r.drain(0, 0)
		if _, err := r.pool.Admit(view.View{Shards: 1}); !errors.Is(err, ErrDraining) {
			t.Errorf("Admit() after Drain = %v; want ErrDraining", err)
		}
		if n := r.pool.Stats().Consumers; n != 0 {
			t.Errorf("Stats().Consumers = %d after Drain; want 0", n)
		}
	})
}

func TestDemandIsTheShardsThatConsumersWant(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(3), o)
		want := func(set broker.ShardSet) {
			t.Helper()
			if got := r.pool.Demand(); got != set {
				t.Errorf("Demand() = %b; want %b", got, set)
			}
		}
		admit := func(set broker.ShardSet) Ticket {
			t.Helper()
			ticket, err := r.pool.Admit(view.View{Shards: set})
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		want(0)
		a := admit(0b101)
		want(0b101)
		b, c := admit(0b100), admit(0b110)
		want(0b111)
		a.Forget()
		want(0b110)
		c.Forget()
		want(0b100)
		b.Forget()
		want(0)
	})
}

// Inspect is asked all the time while consumers are healthy, lag, have half an
// event and are lapped: its sums never contradict each other.
func TestInspectAccountsForEveryEvent(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, tiny(2), o)
		herd, subset := r.join(joinOptions{}), r.join(joinOptions{shards: 0b01})
		stalled := r.join(joinOptions{buffer: 8 << 10, stalled: true})
		all := []*client{herd, subset, stalled}
		partial := false
		for round := range 150 {
			for range 5 {
				r.publish(0, 150-round%50)
				r.publish(1, round%150)
			}
			r.settle(herd, subset)
			for i, c := range all {
				in, ok := r.inspect(c)
				want := r.published(c.shards) - c.joined
				if !ok || in.Delivered+in.Skipped+in.Lag != want {
					t.Fatalf("Inspect() = %+v for client %d; want delivered + skipped + lag = %d", in, i, want)
				}
				partial = partial || in.Lag > 0
			}
		}
		if in, _ := r.inspect(stalled); in.Herd || in.Lag == 0 {
			t.Errorf("Inspect() = %+v for a stalled consumer; want it to lag", in)
		}
		var sum uint64
		for _, in := range r.pool.Inspect() {
			sum += in.Delivered + in.Skipped + in.Lag
		}
		if want := 2*r.published(0b11) + r.published(0b01); sum != want {
			t.Errorf("sum of Inspect() = %d; want %d", sum, want)
		}
		if !partial {
			t.Error("nobody ever lagged; the test is to have that")
		}
		stalled.resume()
		r.settle(all...)
		r.wantBooksBalanced(all...)
		if in, _ := r.inspect(subset); fmt.Sprint(in.Shards) != "[0]" || time.Since(in.Since) < 0 || in.ID == 0 {
			t.Errorf("Inspect() = %+v; want shards [0], an id, a time", in)
		}
	})
}

func TestWaitingGrowsWhenNothingMoves(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 40 * time.Millisecond
		r := newRig(t, roomy(1), o)
		if got := r.pool.Waiting(); got > time.Minute {
			t.Errorf("Waiting() = %v of a new pool; want about 0", got)
		}
		few := func(when string) {
			t.Helper()
			eventually(t, func() string {
				if got := r.pool.Waiting(); got > o.KeepAlive {
					return fmt.Sprintf("Waiting() = %v %s; want about 0", got, when)
				}
				return ""
			})
		}
		h := r.dig(0)
		time.Sleep(3 * o.KeepAlive)
		few("behind a hole, but without consumers")
		h.fill()

		c := r.join(joinOptions{})
		r.publish(0, 10)
		r.settle(c)
		few("with an idle consumer")

		h = r.dig(0)
		wantWaiting(t, r, "while a publisher is stopped")
		h.fill()
		few("after it went on")

		thaw := freeze(r.pool.loops[0])
		r.publish(0, 10)
		wantWaiting(t, r, "while the loop is stopped")
		thaw()
		few("after it went on")
		r.settle(c)
	})
}

func wantWaiting(t *testing.T, r *rig, when string) {
	t.Helper()
	eventually(t, func() string {
		if got := r.pool.Waiting(); got < 100*time.Millisecond {
			return fmt.Sprintf("Waiting() = %v %s; want it to grow", got, when)
		}
		return ""
	})
}

// The first event after a pause goes out at once: neither the flush interval nor
// the clock has to pass.
func TestFirstEventAfterAPauseWaitsForNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.FlushInterval = time.Second
		r := newRig(t, roomy(2), o)
		c := r.join(joinOptions{})
		ticked := func() (at time.Time) {
			r.inLoop(func(l *loop) { at = l.checked })
			return at
		}
		// Had it to wait for the clock, no event would come before a tick. On a busy machine
		// many do not, but some.
		eventually(t, func() string {
			for i := range 20 { // each time the loop has parked, or is about to
				before := ticked()
				r.publish(i%2, 10)
				r.settle(c)
				if ticked().Equal(before) {
					return ""
				}
			}
			return "no event of 20 came before the next tick of the clock"
		})
	})
}

func TestLoopsBeyondTheGateAreRefused(t *testing.T) {
	for _, portable := range []bool{false, true} {
		r := newRig(t, roomy(1), Options{Portable: portable})
		if p, err := New(r.broker, Options{Portable: portable, Loops: wake.MaxWaiters + 1}); err == nil {
			p.Close()
			t.Errorf("New(%d loops, portable=%v) = nil; want an error: the gate is full", wake.MaxWaiters+1, portable)
		}
		r.publish(0, 10)
	}
}
