package stream

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
)

// crowd is a mix of consumers.
func (r *rig) crowd(shards broker.ShardSet) (all, stalled []*client) {
	for range 3 { // healthy
		all = append(all, r.join(joinOptions{shards: shards}))
	}
	for range 2 { // reads in dribbles
		all = append(all, r.join(joinOptions{shards: shards, buffer: 16 << 10, chunk: 777, pause: runtime.Gosched}))
	}
	// reads late
	all = append(all, r.join(joinOptions{shards: shards, buffer: 16 << 10, chunk: 8 << 10, pause: func() { time.Sleep(time.Millisecond) }}))
	for range 2 {
		stalled = append(stalled, r.join(joinOptions{shards: shards, buffer: 16 << 10, stalled: true}))
	}
	return append(all, stalled...), stalled
}

func TestEveryEventIsReceivedOrReportedSkipped(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		for _, tt := range []struct {
			name   string
			shards int
			sets   []broker.ShardSet
			loops  int
			flush  time.Duration
		}{
			{"one shard", 1, []broker.ShardSet{1}, 1, 0},
			{"one shard, two loops, no pauses", 1, []broker.ShardSet{1}, 2, -1},
			{"four shards", 4, []broker.ShardSet{0b1111}, 1, 0},
			{"subsets of four shards", 4, []broker.ShardSet{0b1111, 0b0101, 0b0010}, 2, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				o := o
				o.Loops, o.FlushInterval = tt.loops, tt.flush
				o.Stall = time.Hour // however slow the machine
				r := newRig(t, tiny(tt.shards), o)
				var all, stalled []*client
				for _, set := range tt.sets {
					a, s := r.crowd(set)
					all, stalled = append(all, a...), append(stalled, s...)
				}
				r.publishAll(2500)
				for _, c := range stalled {
					c.resume()
				}
				r.publishAll(500)
				r.settle(all...)
				r.wantBooksBalanced(all...)
				for i, c := range stalled {
					if c.books().skipped == 0 {
						t.Errorf("stalled client %d of %d skipped nothing; want the test to lap it", i, len(stalled))
					}
				}
			})
		}
	})
}

// publishAll publishes so many events to every shard, by a producer each.
func (r *rig) publishAll(events int) {
	var producers sync.WaitGroup
	for shard := range r.shards {
		producers.Go(func() {
			for i := range events {
				r.publish(shard, 20+i%150)
				if i%16 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	producers.Wait()
}

// Several producers per shard, consumers that come and go, stall and resume.
func TestBooksBalanceUnderStress(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const shards, producers, events = 2, 3, 2000
		o.Loops = 2
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, tiny(shards), o)
		all, stalled := r.crowd(0b11)
		one, late := r.crowd(0b10)
		for _, c := range append(stalled, late...) {
			c.resume()
		}
		stalled = all[:2]
		for _, c := range stalled {
			c.stall()
		}

		var running sync.WaitGroup
		stop := make(chan struct{})
		for p := range producers {
			running.Go(func() {
				for n := range uint64(events) {
					r.publishFree(int(n)%shards, p+1, n, int(n)%150)
				}
			})
		}
		var coming sync.WaitGroup
		coming.Go(func() { // consumers that leave in the middle
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				c := r.join(joinOptions{buffer: 16 << 10, chunk: 1 << 10})
				c.awaitEventsOr(stop, uint64(1+i%40))
				c.conn.Close()
				if wrong := c.books().wrong; wrong != "" {
					t.Errorf("client that left: %s", wrong)
				}
			}
		})
		running.Wait()
		close(stop)
		coming.Wait()
		for _, c := range stalled {
			c.resume()
		}
		staying := append(all, one...)
		r.settle(staying...)
		eventually(t, func() string {
			if st := r.pool.Stats(); st.Consumers != int64(len(staying)) || st.Lagging != 0 {
				return fmt.Sprintf("Stats() = %d consumers, %d of them lagging; want %d, 0", st.Consumers, st.Lagging, len(staying))
			}
			return ""
		})
	})
}

// awaitEventsOr waits until the client has received so many events, or stop.
func (c *client) awaitEventsOr(stop <-chan struct{}, n uint64) {
	for c.books().received < n {
		select {
		case <-stop:
			return
		case <-c.done:
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}
