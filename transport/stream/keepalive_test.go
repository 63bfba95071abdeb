package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

func TestSilentStreamsGetKeepAlives(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 80 * time.Millisecond
		r := newRig(t, roomy(2), o)
		start := time.Now()
		// The last one's shard is silent while the others' is not.
		all := []*client{r.join(joinOptions{}), r.join(joinOptions{shards: 0b01}), r.join(joinOptions{shards: 0b10})}
		const want = 4
		for i, c := range all {
			eventually(t, func() string {
				r.publish(0, 10)
				if i < 2 || len(c.books().keepAlives) >= want {
					return ""
				}
				return "no keep-alives while another shard has events"
			})
		}
		for _, c := range all {
			eventually(t, func() string {
				if len(c.books().keepAlives) >= want {
					return ""
				}
				return "no keep-alives while there are no events"
			})
			// A tick early at most, and one more at once for who joins a herd that was silent.
			each := o.KeepAlive - r.pool.options.clockTick()
			if got := len(c.books().keepAlives); time.Duration(got-1)*each > time.Since(start) {
				t.Errorf("%d keep-alives in %v; want one per %v at most", got, time.Since(start), each)
			}
		}
		r.settle(all...)
		r.wantBooksBalanced(all...)
	})
}

// A keep-alive means that nothing was written meanwhile.
func TestNoKeepAliveWhileEventsFlow(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = time.Hour
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{})
		keepAlive := func(at time.Time) { // as if it were then
			r.awaitHerd(1)
			r.inLoop(func(l *loop) { l.keepAlive(at) })
		}
		least := o.KeepAlive - r.pool.options.clockTick()
		for range 3 {
			for range 20 {
				before := time.Now()
				r.publish(0, 10)
				r.settle(c)
				keepAlive(before.Add(least - 1))
			}
			keepAlive(time.Now().Add(least))
		}
		eventually(t, func() string {
			if got, want := c.books().keepAlives, []uint64{20, 40, 60}; !slices.Equal(got, want) {
				return fmt.Sprintf("keep-alives after %v events; want them in the pauses after %v", got, want)
			}
			return ""
		})
	})
}

// Members get their keep-alives together, in time for the one that got bytes longest ago.
func TestHerdIsAsSilentAsItsMostSilentMember(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := &herd{written: now}
	for _, tt := range []struct {
		name           string
		progress, want time.Time
	}{
		{"the first", now.Add(time.Second), now.Add(time.Second)},
		{"one that waited", now.Add(-time.Minute), now.Add(-time.Minute)},
		{"one that did not", now, now.Add(-time.Minute)},
	} {
		h.join(&consumer{lag: &lag{progress: tt.progress}})
		if !h.written.Equal(tt.want) {
			t.Errorf("%s has joined: silent since %v; want %v", tt.name, h.written, tt.want)
		}
	}
}

// awaitOpening waits until the stream has begun.
func (c *client) awaitOpening(t testing.TB) {
	t.Helper()
	eventually(t, func() string {
		if c.books().bytes < uint64(len(opening)) {
			return "the stream does not begin"
		}
		return ""
	})
}

// Who is ahead of a herd that may be late waits for it, and is not silent.
func TestWhoWaitsForADelayedHerdGetsKeepAlives(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 40 * time.Millisecond
		r := newRig(t, roomy(1), o)
		v := view.View{Pace: view.Pace{MaxDelay: time.Hour}}
		r.wantHerd(r.join(joinOptions{view: v}), true)
		r.publish(0, 10)
		waits := r.join(joinOptions{view: v})
		eventually(t, func() string {
			if got := waits.books(); len(got.keepAlives) < 3 {
				return fmt.Sprintf("%d keep-alives; want 3", len(got.keepAlives))
			}
			return ""
		})
		r.wantHerd(waits, false)
	})
}

// Who waits to enter a compressed stream is not silent, though no block ends: the herd
// has no members, and its laggard takes nothing.
func TestWhoWaitsToEnterACompressedStreamGetsKeepAlives(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive, o.Stall = 40*time.Millisecond, time.Hour
		r := newRig(t, roomy(1), o)
		v := view.View{Format: wire.Format{Encoding: wire.Gzip}, Pace: view.Pace{MaxDelay: time.Hour}}
		stalled := r.join(joinOptions{view: v, buffer: 8 << 10, stalled: true})
		r.wantHerd(stalled, true)
		random := rand.New(rand.NewPCG(1, 1))
		for range 300 { // more than its socket takes
			r.publishNoise(0, random, 4000)
		}
		r.wantHerd(stalled, false)
		eventually(t, func() (wrong string) { // a block may just have ended
			r.publish(0, 10)
			r.wantSwept()
			r.inLoop(func(l *loop) {
				if l.packed[0].packer.plain == 0 {
					wrong = "nothing waits for its block"
				}
			})
			return wrong
		})
		waits := r.join(joinOptions{view: v})
		eventually(t, func() string {
			if got := waits.books(); len(got.keepAlives) < 3 {
				return fmt.Sprintf("%d keep-alives; want 3", len(got.keepAlives))
			}
			return ""
		})
		r.inLoop(func(l *loop) {
			if p := l.packed[0].packer; p.plain == 0 || len(l.packed[0].members) > 0 {
				t.Errorf("%d bytes wait for their block, %d members; want some, and none", p.plain, len(l.packed[0].members))
			}
		})
	})
}

func TestNegativeKeepAliveIsOff(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = 40 * time.Millisecond // the clock ticks, and an idle consumer is not stalled
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{})
		c.awaitOpening(t)
		bytes := uint64(len(opening))
		eventually(t, func() string {
			if got := r.pool.Stats().Bytes; got != bytes {
				return fmt.Sprintf("Stats() = %d bytes; want %d, the opening", got, bytes)
			}
			return ""
		})
		time.Sleep(5 * o.Stall)
		if got := r.pool.Stats(); got.Bytes != bytes || got.Consumers != 1 {
			t.Errorf("Stats() = %d bytes, %d consumers after %v of nothing; want %d, 1", got.Bytes, got.Consumers, 5*o.Stall, bytes)
		}
	})
}

// A stalled consumer takes part of a keep-alive at most, and then goes on with the
// rest of it.
func TestKeepAliveThatIsCutGoesOnWhereItWas(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 4 * time.Millisecond
		long := make([]byte, 0, 5003) // so that it is cut
		long = append(long, ':')
		for len(long) < 5001 {
			long = append(long, ' ')
		}
		long = wire.AppendChunk(nil, append(long, '\n'))
		o.keepAlive = func(wire.Format) []byte { return long }
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{buffer: 8 << 10, stalled: true})
		eventually(t, func() string {
			if r.pool.Stats().Lagging == 0 {
				return "keep-alives do not fill the socket"
			}
			return ""
		})
		for range 10 {
			r.publish(0, 100)
		}
		c.resume()
		c.awaitEvents(t, 10)
	})
}
