package broker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Producers publish by key, readers divide the shards among them and sleep while
// there is nothing. Every reader accounts for every event of its shards, and a
// key's events come in order from one shard.
func TestEveryShardAddsUpAndKeysKeepTheirOrder(t *testing.T) {
	const producers, keys = 3, 5
	events := 4_000
	if testing.Short() {
		events /= 10
	}
	b := newBroker(t, tiny(4, "k"))
	var published [4]atomic.Uint64
	var producing, reading sync.WaitGroup
	var done atomic.Bool

	for _, list := range []string{"0,1", "2,3", "", "2"} {
		set, err := b.ParseShards(list)
		if err != nil {
			t.Fatal(err)
		}
		sleeper, err := b.Gate().NewSleeper()
		if err != nil {
			t.Fatal(err)
		}
		cursors := b.Head(set)
		reading.Go(func() {
			defer sleeper.Leave()
			passed := make([]uint64, len(cursors))
			last := map[string]int{} // by producer and key
			sweep := func() (found bool) {
				i := 0
				for shard := range set.All() {
					events, skipped := drain(b, shard, &cursors[i])
					for _, e := range events {
						var producer, key, n int
						if _, err := fmt.Sscanf(e, `{"p":%d,"k":%d,"n":%d}`, &producer, &key, &n); err != nil {
							t.Errorf("event %q: %v", e, err)
						}
						id := fmt.Sprint(producer, " ", key)
						if previous, seen := last[id]; seen && n <= previous {
							t.Errorf("shards %q: event %q after n=%d", list, e, previous)
						}
						last[id] = n
					}
					passed[i] += uint64(len(events)) + skipped
					found = found || len(events)+int(skipped) > 0
					i++
				}
				return found
			}
			pending := func() bool {
				i := 0
				for shard := range set.All() {
					if b.Pending(shard, cursors[i]) {
						return true
					}
					i++
				}
				return done.Load()
			}
			for {
				finished := done.Load()
				if sweep() {
					continue
				}
				if finished {
					break
				}
				<-sleeper.News(pending)
			}
			i := 0
			for shard := range set.All() {
				if want := published[shard].Load(); passed[i] != want {
					t.Errorf("shards %q: received + skipped of shard %d = %d; want %d", list, shard, passed[i], want)
				}
				i++
			}
		})
	}
	for p := range producers {
		producing.Go(func() {
			for n := range events {
				e := fmt.Appendf(nil, `{"p":%d,"k":%d,"n":%d}`, p, n%keys, n)
				shard := b.Pick(e, uint64(p))
				for {
					err := b.Publish(shard, 0, e)
					if err == nil {
						published[shard].Add(1)
						break
					}
					if !errors.Is(err, ErrExhausted) {
						t.Errorf("Publish() = %v", err)
						return
					}
					time.Sleep(10 * time.Microsecond)
				}
				if n%100 == 0 {
					time.Sleep(10 * time.Microsecond) // let the readers fall asleep
				}
			}
		})
	}
	producing.Wait()
	done.Store(true)
	b.Gate().Wake()
	reading.Wait()
}
