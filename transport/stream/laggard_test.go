package stream

import (
	"fmt"
	"slices"
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
		late := r.admit(slow)
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
		late := r.admit(nothing)
		const bytes = 8 * turnBytes
		for range bytes / 1000 {
			r.publish(0, 1000)
		}
		r.wantSwept()
		r.inLoop(func(l *loop) {
			r.serve(late, joinOptions{})
			l.takeOrders()
			c, turns := l.starting[0], 1
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
				late := r.admit(v)
				for range events {
					r.publish(0, 0)
				}
				r.wantSwept()
				most := 2 + (firstBytes+turnBytes)/(eachBytes*(1+v.Select.Conditions()+v.Shape.Members()))
				r.inLoop(func(l *loop) {
					r.serve(late, joinOptions{})
					l.takeOrders()
					c, turns := l.starting[0], 1
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

// A laggard that reads far back and fills its socket each time is ready again and again: it has short
// turns among those for whom there is only to write until much was read for it, and not for ever.
func TestWhoReadsFarBackDoesNotStayAmongTheFirst(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		views := newViews(t, r.broker)
		all := views.of("wire=ndjson&where=number>=0")
		r.join(joinOptions{view: views.of("where=nothing")}) // so that nobody else falls behind
		r.awaitHerd(1)
		late := r.admit(all)
		for range 20 * firstBytes / 1000 {
			r.publish(0, 1000)
		}
		r.wantSwept()
		r.inLoop(func(l *loop) {
			sockets := l.sockets
			defer func() { l.sockets = sockets }()
			l.sockets = tight{sockets, 2 << 10}
			r.serve(late, joinOptions{})
			l.takeOrders()
			c := l.starting[0]
			turns := 0
			for ; len(l.reading) == 0 && turns < 1000; turns++ {
				l.serveReady(time.Now(), patience)
				l.makeReady(c) // as if its socket took bytes again
			}
			if len(l.reading) != 1 || c.lag.alone < firstBytes {
				t.Errorf("after %d turns and %d bytes it is among the first still", turns, c.lag.alone)
			}
			l.serveReady(time.Now(), patience)
			if l.makeReady(c); len(l.reading) != 1 || len(l.starting) != 0 {
				t.Error("it is among the first again when its socket takes more")
			}
		})
	})
}

// However many have much to read for them alone, whoever has little or only to be written to does
// not wait for their turns: a stream begins at once.
func TestNobodyWaitsForThoseWhoHaveMuchToRead(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		nothing := newViews(t, r.broker).of("where=nothing") // so that it waits for no socket
		r.join(joinOptions{view: nothing})
		r.awaitHerd(1)
		const many = 5
		var late []Ticket
		for range many {
			late = append(late, r.admit(nothing))
		}
		for range 20 * turnBytes / 1000 {
			r.publish(0, 1000)
		}
		r.wantSwept()
		selecting, plain := r.admit(nothing), r.admit(view.View{Shards: r.broker.AllShards()})
		r.inLoop(func(l *loop) {
			for _, ticket := range late {
				r.serve(ticket, joinOptions{})
			}
			l.takeOrders()
			l.serveReady(time.Now(), patience) // their first turns, and one more
			if len(l.starting) != 0 || len(l.reading) != many {
				t.Fatalf("%d are starting and %d have more to read; want 0 and %d", len(l.starting), len(l.reading), many)
			}
			r.serve(selecting, joinOptions{})
			r.serve(plain, joinOptions{})
			l.takeOrders()
			if len(l.ready) != 1 || len(l.starting) != 1 {
				t.Errorf("%d are only written, and %d begin to read; want 1 and 1", len(l.ready), len(l.starting))
			}
			begun := slices.Concat(l.ready, l.starting)
			for range begun {
				l.serveReady(time.Now(), -1) // one of each queue
			}
			for _, c := range begun {
				if c.lag != nil {
					t.Errorf("a stream of %q that has just begun waits for %d others", c.want.view.Canonical(), len(l.reading))
				}
			}
			if len(begun) != 2 || len(l.reading) != many {
				t.Errorf("%d streams began beside %d that read; want 2 and %d", len(begun), len(l.reading), many)
			}
		})
	})
}
