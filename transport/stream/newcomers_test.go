package stream

import (
	"testing"
	"time"

	"event-dispatcher/broker"
)

// release has conflated herds let go of what they hold.
func (r *rig) release() {
	r.inLoop(func(l *loop) {
		for _, h := range l.conflated {
			l.giveShares(h, time.Now())
		}
	})
}

// Consumers that come one by one between the events of a conflated view get what came
// after them, each at another place, and all share the same bytes.
func TestNewcomersOfAConflatedViewShareWhatIsHeld(t *testing.T) {
	for _, query := range []string{"shards=0", "shards=0,1", "shards=0&ids=1", "shards=0,1&ids=1&wire=ndjson", "shards=0,1&ids=1&where=number>=0&wire=ws"} {
		t.Run(query, func(t *testing.T) {
			const newcomers, size = 50, 10_000
			r := newRig(t, broker.Options{Shards: 2, Bytes: 16 << 20, MaxEvent: 16 << 10}, Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
			v := newViews(t, r.broker).of("every=1h&latest=number&" + query)
			var all []*client
			for i := range newcomers {
				c := r.join(joinOptions{view: v, shards: v.Shards, buffer: 16 << 10, chunk: 4 << 10, stalled: true})
				r.awaitHerd(i + 1)
				all = append(all, c)
				r.publish(i%2*(v.Shards.Len()-1), size)
				r.wantSwept()
			}
			r.release()
			if got := r.pool.Stats().Lagging; got < newcomers/2 { // the last ones have room for what they get
				t.Errorf("%d of %d lag; want most", got, newcomers)
			}
			r.wantKept(newcomers*size/2, newcomers*(size+1000)) // of two shards, one event in two is superseded
			for _, c := range all {
				c.resume()
			}
			r.settleViews(all...)
			for i, c := range all {
				got := c.books()
				if got.skipped > 0 || got.received == 0 || v.Shards.Len() == 1 && got.received != uint64(newcomers-i) {
					t.Errorf("newcomer %d: received %d, skipped %d; want %d, of two shards some, and 0", i, got.received, got.skipped, newcomers-i)
				}
				for _, id := range got.ids {
					_, sequences, _ := cutPlace(id)
					for shard, seq := range sequences {
						if seq < c.first[shard] {
							t.Fatalf("newcomer %d: id %s of a stream that begins at %v; want none before that", i, id, c.first)
						}
					}
				}
			}
			r.wantKept(0, 0)
		})
	}
}

// Those who come while events flow, in the middle of an interval, account for every event.
func TestNewcomersOfAConflatedViewAccountForEveryEvent(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour
		r := newRig(t, roomy(2), o)
		v := newViews(t, r.broker)
		stop := make(chan struct{})
		publishing := r.keepPublishing(2, stop)
		var all []*client
		for i := range 60 {
			j := joinOptions{view: v.of([]string{"every=50ms&latest=size", "every=50ms&latest=number&ids=1", "every=80ms&latest=size&where=number>20&wire=ws"}[i%3])}
			if i%5 == 0 {
				j.buffer, j.chunk = 16<<10, 3000
			}
			all = append(all, r.join(j))
			all[0].awaitEvents(t, uint64(i)) // the first one has got on meanwhile
		}
		close(stop)
		publishing.Wait()
		r.settleViews(all...)
	})
}
