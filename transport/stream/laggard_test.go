package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/transport/view"
)

// What is for all members, a laggard gets as one of them: it is given no more than they
// have, and then it is up to date.
func TestALaggardIsGivenNoMoreThanItsHerdHas(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		slow := view.View{Shards: r.broker.AllShards(), Pace: view.Pace{MaxDelay: time.Hour}}
		member := r.join(joinOptions{view: slow})
		r.wantHerd(member, true)
		late, err := r.pool.Admit(slow)
		if err != nil {
			t.Fatal(err)
		}
		for range delayedEvents {
			r.publish(0, 10)
		}
		member.awaitEvents(t, delayedEvents)
		for range 10 { // they wait for more
			r.publish(0, 10)
		}
		c := r.serve(late, joinOptions{})
		r.wantHerd(c, true)
		c.awaitEvents(t, delayedEvents)
		if got := c.books().received; got != delayedEvents {
			t.Errorf("received %d of %d events; want %d, as the members", got, delayedEvents+10, delayedEvents)
		}
	})
}

// However much a laggard has to read, others have their turns between its own.
func TestALaggardHasOneTurnAtATime(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		nothing := newViews(t, r.broker).of("where=nothing") // so that it waits for no socket
		r.join(joinOptions{view: nothing})
		r.awaitHerd(1)
		late, err := r.pool.Admit(nothing)
		if err != nil {
			t.Fatal(err)
		}
		const bytes = 8 * turnBytes
		for range bytes / 1000 {
			r.publish(0, 1000)
		}
		r.wantSwept()
		r.inLoop(func(l *loop) {
			r.serve(late, joinOptions{})
			l.takeOrders()
			c, turns := l.reading[0], 1
			for l.serveReady(time.Now(), patience) {
				turns++
			}
			if least := bytes / (2 * turnBytes); turns < least || c.lag != nil {
				t.Errorf("a laggard that is %d bytes behind has caught up (%v) in %d turns; want true, and %d at least", bytes, c.lag == nil, turns, least)
			}
		})
	})
}

// To look at an event for one laggard takes as long for a small one as for a large one, and
// longer the more its view asks: so a turn has fewer events of a view that asks for more.
func TestATurnHasFewerEventsTheMoreAViewAsks(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const events, wheres = 8000, 15
		asks := strings.Builder{}
		for i := range wheres {
			fmt.Fprintf(&asks, "&where=number!=-%d", i+1)
		}
		for _, query := range []string{"where=nothing", "where=nothing" + asks.String(), "where=nothing&members=a,b,c,d,e,f,g"} {
			t.Run(query, func(t *testing.T) {
				r := newRig(t, roomy(1), o)
				v := newViews(t, r.broker).of(query)
				r.join(joinOptions{view: v})
				r.awaitHerd(1)
				late, err := r.pool.Admit(v)
				if err != nil {
					t.Fatal(err)
				}
				for range events {
					r.publish(0, 0)
				}
				r.wantSwept()
				most := 1 + turnBytes/(eachBytes*(1+v.Select.Conditions()+v.Shape.Members()))
				r.inLoop(func(l *loop) {
					r.serve(late, joinOptions{})
					l.takeOrders()
					c, turns := l.reading[0], 1
					for more := true; more && c.lag != nil; {
						before := c.lag.cursors[0]
						more = l.serveReady(time.Now(), patience)
						if c.lag == nil {
							break // that was the rest, and no more than a turn has
						}
						if read := before.Behind(c.lag.cursors[0]); read > int64(most) {
							t.Errorf("%d events in a turn; want %d at most", read, most)
						}
						turns++
					}
					if least := events / most; c.lag != nil || turns < least {
						t.Errorf("a laggard that is %d events behind has caught up (%v) in %d turns; want true, and %d at least", events, c.lag == nil, turns, least)
					}
				})
			})
		}
	})
}

// However many have events to be read for them alone, who is only to be written to does not
// wait for their turns.
func TestALaggardThatIsOnlyWrittenToIsServedFirst(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		const selecting = 5
		for range selecting {
			r.join(joinOptions{view: v.of("where=number>=0"), buffer: 64 << 10, stalled: true})
		}
		r.join(joinOptions{buffer: 64 << 10, stalled: true})
		r.awaitHerd(selecting + 1)
		for range 200 {
			r.publish(0, 4000)
		}
		r.wantLagging(selecting + 1)
		r.inLoop(func(l *loop) {
			l.ready, l.reading = l.ready[:0], l.reading[:0]
			var plain *consumer
			for _, c := range l.slots {
				c.lag.queued = false
				if c.herd.sel == nil {
					plain = c
					continue
				}
				l.makeReady(c)
			}
			l.makeReady(plain) // the last to come
			l.serveReady(time.Now(), -1)
			if plain.lag != nil && plain.lag.queued || len(l.reading) != selecting-1 {
				t.Errorf("who is only written to waits (%v) with %d of %d others; want it served, and %d", plain.lag != nil && plain.lag.queued, len(l.reading), selecting, selecting-1)
			}
		})
	})
}
