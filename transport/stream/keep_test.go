package stream

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

const largeEvent = 260 << 10

// spacious is a broker for large events, of which it retains some dozens.
func spacious(shards int) broker.Options {
	return broker.Options{Shards: shards, Bytes: shards * 16 << 20, MaxEvent: 300 << 10}
}

// heap is what is in use.
func heap() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// wantKept waits until what is kept for laggards is between two bounds.
func (r *rig) wantKept(least, most int64) {
	r.t.Helper()
	eventually(r.t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			if got := l.stats.kept.Load(); got < least || got > most {
				wrong = fmt.Sprintf("%d bytes kept for laggards; want %d to %d", got, least, most)
			}
		})
		return wrong
	})
}

// wantHerd waits until a client is up to date, or is not.
func (r *rig) wantHerd(c *client, want bool) {
	r.t.Helper()
	eventually(r.t, func() string {
		if in, ok := r.inspect(c); !ok || in.Herd != want {
			return fmt.Sprintf("Inspect() = %+v, %v; want up to date %v", in, ok, want)
		}
		return ""
	})
}

func (r *rig) wantLagging(want int64) {
	r.t.Helper()
	eventually(r.t, func() string {
		if got := r.pool.Stats().Lagging; got != want {
			return fmt.Sprintf("Stats().Lagging = %d; want %d", got, want)
		}
		return ""
	})
}

// However many consumers stop in the middle of an event, it is kept once.
func TestConsumersThatStallInTheSameEventKeepItOnce(t *testing.T) {
	const consumers, events = 100, 3
	for _, query := range []string{"", "wire=ndjson", "wire=ws", "members=shard,producer,number,noise", "ids=1", "ids=1&shards=0,1", "encoding=gzip", "every=10ms&latest=number"} {
		t.Run(query, func(t *testing.T) {
			r := newRig(t, spacious(2), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
			v := newViews(t, r.broker).of(query)
			before := heap()
			var all []*client
			for range consumers {
				all = append(all, r.join(joinOptions{view: v, shards: v.Shards, buffer: 16 << 10, chunk: 4 << 10, stalled: true}))
			}
			r.awaitHerd(consumers)
			random := rand.New(rand.NewPCG(1, 1))
			for range events {
				r.publishNoise(0, random, largeEvent/2)
			}
			r.wantLagging(consumers)
			r.wantKept(largeEvent/2, events*(largeEvent+1<<10)) // in gzip it is a good half
			grown := heap() - before
			t.Logf("%d stalled consumers: %d KiB kept, heap grown by %d KiB", consumers, r.pool.Stats().Kept>>10, grown>>10)
			if most := int64(8<<20 + consumers*8<<10); grown > most {
				t.Errorf("heap grew by %d; want %d at most", grown, most)
			}
			for _, c := range all {
				c.resume()
			}
			r.settleViews(all...)
			r.wantKept(0, 0)
		})
	}
}

// Consumers that stall in different events keep no more than there is room for: those go
// for whom most is kept for longest. Who reads on loses nothing.
func TestConsumersThatStallInDifferentEventsAreBounded(t *testing.T) {
	for _, query := range []string{"", "wire=ndjson", "encoding=gzip", "every=10ms&latest=number"} {
		t.Run(query, func(t *testing.T) {
			const stalled, room = 30, 2 << 20
			r := newRig(t, spacious(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour, hardPressed: time.Hour, LagBytes: room})
			v := newViews(t, r.broker).of(query)
			most := int64(room)
			if query == "" {
				most += largeEvent/2 + 1<<10 // one event as it was published may go beyond
			}
			healthy := r.join(joinOptions{view: v})
			random := rand.New(rand.NewPCG(2, 1))
			for range stalled {
				c := r.join(joinOptions{view: v, buffer: 16 << 10, stalled: true})
				r.wantHerd(c, true)
				r.publishNoise(0, random, largeEvent/2)
				r.wantHerd(c, false)
				r.wantHerd(healthy, true)
				r.wantKept(largeEvent/2, most)
			}
			st := r.pool.Stats()
			if kept := st.Closed[ReasonMemory]; kept == 0 || st.Consumers != int64(stalled+1)-int64(kept) {
				t.Errorf("Stats() = %d closed for memory (all: %v), %d consumers of %d; want some, and the others", kept, st.Closed, st.Consumers, stalled+1)
			}
			r.settleViews(healthy)
			if got := healthy.books(); got.received != stalled || got.skipped != 0 {
				t.Errorf("healthy consumer received %d, skipped %d; want %d, 0", got.received, got.skipped, stalled)
			}
		})
	}
}

// A laggard is skipped events for which there is no room, and told.
func TestLaggardIsToldOfEventsForWhichThereIsNoRoom(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall, o.hardPressed = time.Hour, time.Hour
		o.LagBytes = largeEvent + 192<<10 // a socket that goroutines write to has 64 KiB on the way
		r := newRig(t, spacious(1), o)
		stalled := r.join(joinOptions{buffer: 16 << 10, stalled: true})
		slow := r.join(joinOptions{buffer: 16 << 10, stalled: true})
		r.awaitHerd(2)
		const large = 4
		for range large {
			r.publish(0, largeEvent)
			r.publish(0, 100)
		}
		r.wantLagging(2)
		slow.resume()
		r.settle(slow)
		// The first event was begun before; of the others the small ones fit.
		if got := slow.books(); got.received != large+1 || got.skipped != large-1 {
			t.Errorf("slow consumer received %d, skipped %d; want %d, %d", got.received, got.skipped, large+1, large-1)
		}
		stalled.resume()
		r.settle(stalled)
		if got := stalled.books(); got.received != 2*large || got.skipped != 0 {
			t.Errorf("the other consumer received %d, skipped %d; want %d, 0", got.received, got.skipped, 2*large)
		}
		r.wantBooksBalanced(stalled, slow)
		r.wantKept(0, 0)
	})
}

// Conflated views hold no more than there is room for. Then they let go early.
func TestConflatedViewsAreBounded(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const room, herds, events, size = 16 << 20, 20, 200, 8 << 10 // 32 MB, were there no bound
		o.LagBytes = room
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		var all []*client
		for i := range herds {
			all = append(all, r.join(joinOptions{view: v.of(fmt.Sprintf("every=%dm&latest=number", i+1))}))
		}
		r.awaitHerd(herds)
		for range events {
			r.publish(0, size)
		}
		all[0].awaitEvents(t, 1) // before its minute is over
		if held, most := r.held(), int64(room/2+herds*2*sweepBytes); held == 0 || held > most {
			t.Errorf("conflated views hold %d; want some, and %d at most", held, most)
		}
		for i, c := range all {
			if got := c.books(); got.wrong != "" {
				t.Errorf("client %d: %s", i, got.wrong)
			}
			c.conn.Close()
		}
		r.wantConsumers(0)
		r.wantKept(0, 0)
	})
}

// Where little may be kept, consumers of every kind of view account for every event, but
// for those that are closed for it.
func TestEveryViewAccountsForEveryEventWhereLittleIsKept(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall, o.hardPressed, o.LagBytes = time.Hour, time.Hour, 256<<10
		r := newRig(t, spacious(2), o)
		v := newViews(t, r.broker)
		var all, stalled []*client
		for i, query := range queries {
			for _, j := range []joinOptions{{}, {buffer: 16 << 10, chunk: 3000}, {buffer: 16 << 10, chunk: 4 << 10, stalled: true}} {
				j.view = v.of(query)
				if i%2 == 0 && j.view.Format.Kind != wire.WebSocket {
					j.view = unchunked(j.view)
				}
				j.shards = j.view.Shards
				c := r.join(j)
				if all = append(all, c); j.stalled {
					stalled = append(stalled, c)
				}
			}
		}
		for i := range 60 {
			r.publish(i%2, 20+i*5%7*6000) // up to 36 KB
		}
		for _, c := range stalled {
			c.resume()
		}
		for i := range 20 {
			r.publish(i%2, 20+i%5*6000)
		}
		var staying []*client
		for _, c := range all {
			eventually(t, func() string { // it comes to rest, or is closed
				in, ok := r.inspect(c)
				if !ok {
					<-c.done
					return ""
				}
				if in.Lag > 0 || !in.Herd {
					return fmt.Sprintf("Inspect() = %+v; want it up to date", in)
				}
				return ""
			})
			select {
			case <-c.done:
				if wrong := c.books().wrong; wrong != "" {
					t.Errorf("client that was closed: %s", wrong)
				}
			default:
				staying = append(staying, c)
			}
		}
		r.settleViews(staying...)
		st := r.pool.Stats()
		t.Logf("%d of %d stay, %d closed for memory, %d events skipped", len(staying), len(all), st.Closed[ReasonMemory], st.Skipped)
		if gone := len(all) - len(staying); uint64(gone) != st.Closed[ReasonMemory] || len(staying) == 0 || gone == 0 && st.Skipped == 0 {
			t.Errorf("%d of %d are gone, %v closed, %d events skipped; want all that are gone closed for memory, some to stay, some gone or skipped",
				gone, len(all), st.Closed, st.Skipped)
		}
		r.wantKept(0, 0)
	})
}
