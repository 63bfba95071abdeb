package stream

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

func TestConsumerGetsWhatIsPublishedAfterAdmitAndNothingOlder(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		for range 5 {
			r.publish(0, 10)
		}
		ticket, err := r.pool.Admit(view.View{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		for range 7 { // between the request and its response
			r.publish(0, 10)
		}
		c := r.serve(ticket, joinOptions{})
		for range 3 {
			r.publish(0, 10)
		}
		r.settle(c)
		if got := c.books(); got.received != 10 || c.last[[2]int{0, 0}] != 14 {
			t.Errorf("received %d events, the last one number %d; want 10, 14", got.received, c.last[[2]int{0, 0}])
		}
		r.wantBooksBalanced(c)
	})
}

// Consumers join at random moments while the log moves on, and while their loop
// is behind it.
func TestJoinersMissNothingWhileTheHerdIsBehind(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		all := []*client{r.join(joinOptions{})}
		stop := make(chan struct{})
		var publishing sync.WaitGroup
		for shard := range 2 {
			publishing.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						r.publish(shard, i%100)
						runtime.Gosched()
					}
					if i > 20_000 { // what the broker retains is not without end
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		for i := range 30 {
			var thaw func()
			if i%3 == 0 {
				thaw = freeze(r.pool.loops[0])
			}
			all = append(all, r.join(joinOptions{shards: []broker.ShardSet{0b11, 0b10}[i%2]}))
			if thaw != nil {
				thaw()
			}
		}
		close(stop)
		publishing.Wait()
		r.settle(all...)
		r.wantBooksBalanced(all...)
		for i, c := range all {
			if got := c.books(); got.skipped != 0 {
				t.Errorf("client %d skipped %d; want 0, everything was retained", i, got.skipped)
			}
		}
	})
}

func TestLappedHerdIsToldOnceAndExactly(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, tiny(1), o)
		var all []*client
		for range 5 {
			all = append(all, r.join(joinOptions{}))
		}
		r.publish(0, 10)
		r.settle(all...)
		for round := 1; round <= 3; round++ {
			thaw := freeze(r.pool.loops[0])
			for range 1000 {
				r.publish(0, 100)
			}
			late := r.joinLater(joinOptions{}) // is not lapped
			thaw()
			all = append(all, late())
			r.settle(all...)
			for i, c := range all[:5] {
				if got := c.books(); got.notices != round || got.skipped == 0 || got.received == 0 {
					t.Errorf("client %d: lapped %d times, received %d, skipped %d in %d notices; want as many notices",
						i, round, got.received, got.skipped, got.notices)
				}
			}
		}
		r.wantBooksBalanced(all...)
	})
}

// joinLater is join in the background; the function it returns waits for it. It
// has the place already.
func (r *rig) joinLater(o joinOptions) (wait func() *client) {
	ticket, err := r.pool.Admit(view.View{Shards: r.broker.AllShards()})
	if err != nil {
		r.t.Fatalf("Admit() = %v; want nil", err)
	}
	return func() *client { return r.serve(ticket, o) }
}

func TestSkipIsToldToEverybodyOnceInPlace(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		healthy, other := r.join(joinOptions{shards: 0b01}), r.join(joinOptions{shards: 0b10})
		both := r.join(joinOptions{})
		stalled := r.join(joinOptions{shards: 0b01, buffer: 16 << 10, stalled: true})
		for range 300 {
			r.publish(0, 2000)
		}
		r.skip(0, 17)
		healthy.awaitEvents(t, 300)
		eventually(t, func() string { // told at once, not with the next event
			if got := healthy.books(); got.skipped != 17 {
				return "not told of a gap at the end of the log"
			}
			return ""
		})
		r.publish(0, 10)
		r.skip(0, 3)
		r.skip(0, 4)
		r.publish(0, 10)
		r.publish(1, 10)
		stalled.resume()
		r.settle(healthy, other, both, stalled)
		for _, tt := range []struct {
			name              string
			c                 *client
			received, skipped uint64
		}{
			{"healthy", healthy, 302, 24}, {"stalled", stalled, 302, 24}, {"both shards", both, 303, 24}, {"the other shard", other, 1, 0},
		} {
			if got := tt.c.books(); got.received != tt.received || got.skipped != tt.skipped || got.wrong != "" {
				t.Errorf("%s: received %d, skipped %d, wrong %q; want %d, %d, none",
					tt.name, got.received, got.skipped, got.wrong, tt.received, tt.skipped)
			}
		}
		r.wantBooksBalanced(healthy, other, both, stalled)
	})
}

// A herd whose members are all gone while laggards, or newcomers, still need it.
func TestHerdOutlivesItsMembers(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 4 * time.Millisecond // so the clock ticks fast, and herds are soon forgotten
		r := newRig(t, roomy(1), o)
		member := r.join(joinOptions{})
		for round := range 5 {
			slow := r.join(joinOptions{buffer: 64 << 10, chunk: 2 << 10})
			for range 100 {
				r.publish(0, 4000)
			}
			member.conn.Close()
			eventually(t, func() string {
				if n := r.pool.Stats().Consumers; n != 1 {
					return fmt.Sprintf("round %d: Stats().Consumers = %d; want 1", round, n)
				}
				return ""
			})
			r.settle(slow)
			member = slow
		}
	})
}

// A herd that selects keeps little room for what it picks, however many events come at once.
func TestHerdThatSelectsKeepsLittleRoom(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const events = 10*selectedEvents + 7
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{view: newViews(t, r.broker).of("where=number>=0")})
		none := r.join(joinOptions{view: newViews(t, r.broker).of("where=number=-1")})
		r.awaitHerd(2)
		r.inLoop(func(*loop) { // so that they come at once
			for range events {
				r.publish(0, 0)
			}
		})
		r.settleViews(c, none)
		r.inLoop(func(l *loop) {
			for _, h := range l.live.herds {
				if cap(h.picked) > selectedEvents {
					t.Errorf("a herd keeps room for %d places; want %d at most", cap(h.picked), selectedEvents)
				}
			}
		})
		if got := c.books(); got.received != events {
			t.Errorf("received %d events; want %d", got.received, events)
		}
	})
}

// What a view costs a loop ends with the turn in which its last consumer leaves, and a
// compressor begins with the first event: opening and closing streams keeps nothing.
func TestDesertedHerdsAreForgottenInTheSameTurn(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Loops = 1
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		r.inLoop(func(l *loop) { l.checked = time.Now().Add(time.Hour) }) // the clock does not tick
		stays := r.join(joinOptions{view: v.of("where=number=0,1,2")})
		for i := range 20 {
			for _, query := range []string{"encoding=gzip", "where=number=0,1,2,%d", "every=1s&latest=number&where=number=%d"} {
				c := r.join(joinOptions{view: v.of(strings.Replace(query, "%d", strconv.Itoa(1000+i), 1))})
				r.wantHerd(c, true)
				r.inLoop(func(l *loop) {
					for _, h := range l.packed {
						if h.packer.w != nil {
							t.Error("there is a compressor before there is an event")
						}
					}
				})
				c.conn.Close()
				r.wantConsumers(1)
				r.inLoop(func(*loop) {}) // the turn is over
				r.inLoop(func(l *loop) {
					if n := len(l.herds) + len(l.packed) + len(l.conflated) + len(l.deserted); n != 1 || l.live.matcher.Len() != 1 || l.holding.matcher.Len() != 0 {
						t.Errorf("%s: the loop has %d herds, some twice, and %d + %d selections; want 1 of a herd, 1 + 0", query, n, l.live.matcher.Len(), l.holding.matcher.Len())
					}
				})
			}
		}
		r.publish(0, 100)
		r.settleViews(stays)
	})
}
