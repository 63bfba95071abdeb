package stream

import (
	"fmt"
	"testing"
	"time"

	"event-dispatcher/transport/view"
)

// Events may wait for as long as was asked for, or until there are many; a drain has
// them delivered at once.
func TestConsumerThatAcceptsDelayGetsManyEventsAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		slow := view.View{Pace: view.Pace{MaxDelay: time.Hour}}
		live, late, other := r.join(joinOptions{}), r.join(joinOptions{view: slow}), r.join(joinOptions{view: slow})
		late.awaitOpening(t)
		other.awaitOpening(t)
		want := func(n uint64) {
			t.Helper()
			live.awaitEvents(t, n)
			for range 3 { // the loop has been round
				r.inLoop(func(*loop) {})
			}
			for _, c := range []*client{late, other} {
				if got := c.books().received; got != n-n%delayedEvents {
					t.Errorf("received %d of %d events within the delay; want %d", got, n, n-n%delayedEvents)
				}
			}
		}
		for range delayedEvents - 1 {
			r.publish(0, 10)
		}
		want(delayedEvents - 1)
		r.publish(0, 10)
		late.awaitEvents(t, delayedEvents)
		other.awaitEvents(t, delayedEvents)
		r.publish(0, 10)
		want(delayedEvents + 1)
		joins := r.join(joinOptions{view: slow}) // waits for the front
		r.publish(0, 10)
		want(delayedEvents + 2)
		r.drain(0, 0)
		for _, c := range []*client{live, late, other, joins} {
			c.wantEnd(t)
		}
		if a, b := late.books().received, joins.books().received; a != delayedEvents+2 || b != 1 {
			t.Errorf("received %d and %d at the end; want %d and 1", a, b, delayedEvents+2)
		}
	})
}

func TestDelayEnds(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		all := []*client{r.join(joinOptions{view: view.View{Pace: view.Pace{MaxDelay: 5 * time.Millisecond}}})}
		for i := range 20 {
			if i == 10 {
				all = append(all, r.join(joinOptions{view: view.View{Pace: view.Pace{MaxDelay: 20 * time.Millisecond}}}))
			}
			r.publish(i%2, 10)
			r.settle(all...)
		}
		r.wantBooksBalanced(all...)
	})
}

// Of each value the latest event goes out, once per interval; who came within it gets
// nothing older than its stream.
func TestConflationKeepsTheLatestOfEachValue(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		hourly := v.of("every=1h&latest=size")
		live := r.join(joinOptions{})
		c := r.join(joinOptions{view: hourly})
		c.awaitOpening(t)
		for i := range 300 {
			r.publish(0, 10+i%3)
		}
		r.publish(0, 50)
		live.awaitEvents(t, 301)
		joins := r.join(joinOptions{view: hourly})
		joins.awaitOpening(t)
		r.publish(0, 10)
		r.publish(0, 11)
		live.awaitEvents(t, 303)
		eventually(t, func() string {
			in, _ := r.inspect(c)
			if in.Delivered != 0 || in.PassedOver != 299 || in.Lag != 4 {
				return fmt.Sprintf("Inspect() = %+v; want 299 passed over, lag 4", in)
			}
			return ""
		})
		eventually(t, func() string {
			in, _ := r.inspect(joins)
			if in.Lag != 2 || in.PassedOver != 0 {
				return fmt.Sprintf("Inspect() = %+v of who joined; want lag 2", in)
			}
			return ""
		})
		r.drain(0, 0)
		for _, c := range []*client{c, joins} {
			c.wantEnd(t)
		}
		if a, b := c.books().received, joins.books().received; a != 4 || b != 2 {
			t.Errorf("received %d and %d; want 4 values and 2", a, b)
		}
		if got := c.last[[2]int{0, 0}]; got != 302 {
			t.Errorf("the last event is number %d; want 302", got)
		}
		if st := r.pool.Stats(); st.PassedOver != 299 {
			t.Errorf("Stats().PassedOver = %d; want 299", st.PassedOver)
		}
	})
}

// What a conflated view passes over is counted before anything goes out, also if that
// never happens: the view selects nothing, or its consumer leaves first.
func TestConflatedViewsCountWhatTheyPassOverAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		want := func(over uint64) {
			t.Helper()
			eventually(t, func() string {
				if got := r.pool.Stats().PassedOver; got != over {
					return fmt.Sprintf("Stats().PassedOver = %d; want %d", got, over)
				}
				return ""
			})
		}
		held := r.join(joinOptions{view: v.of("every=1h&latest=size")})
		none := r.join(joinOptions{view: v.of("every=1h&latest=size&where=size=1")})
		held.awaitOpening(t)
		none.awaitOpening(t)
		for i := range 100 {
			r.publish(0, 10+i%3)
		}
		want(97 + 100)
		for i := range 50 {
			r.publish(0, 10+i%3)
		}
		eventually(t, func() string {
			a, _ := r.inspect(held)
			b, _ := r.inspect(none)
			if a.PassedOver != 147 || b.PassedOver != 150 {
				return fmt.Sprintf("%d and %d passed over; want 147 and 150", a.PassedOver, b.PassedOver)
			}
			return ""
		})
		held.conn.Close()
		none.conn.Close()
		want(147 + 150)
	})
}

// What is held back has a limit: then it goes out early, and nothing is lost.
func TestConflationHoldsBackNoMoreThanItsBudget(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		c := r.join(joinOptions{view: v.of("every=1h&latest=number")})
		c.awaitOpening(t)
		for range 110 {
			r.publish(0, 10_000)
		}
		eventually(t, func() string {
			if got := c.books(); got.received < heldBytes/10_200 {
				return fmt.Sprintf("received %d before the interval is over; want about %d", got.received, heldBytes/10_200)
			}
			if in, ok := r.inspect(c); !ok || !in.Herd {
				return "it is still taking its share, and the next one would cut it"
			}
			return ""
		})
		r.publish(0, 10_000)
		r.drain(0, 0)
		c.wantEnd(t)
		if got := c.books(); got.received != 111 || got.skipped != 0 {
			t.Errorf("received %d, skipped %d; want 111, 0", got.received, got.skipped)
		}
	})
}
