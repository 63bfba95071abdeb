//go:build unix

package relay

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// TestReceivedPlusSkippedIsPublishedWhateverHappens lets three instances publish
// while Redis is disturbed at random. Each consumer must be able to account for
// every event of all three.
func TestReceivedPlusSkippedIsPublishedWhateverHappens(t *testing.T) {
	server := startRedis(t)
	const producers, perProducer = 2, 4000
	type tally struct {
		mu   sync.Mutex
		last map[string]uint64
		bad  int
	}
	var all [3]*instance
	var tallies [3]tally
	for k := range all {
		seen := &tallies[k]
		seen.last = make(map[string]uint64)
		all[k] = newInstance(t, server.URL(), Options{OutboxBytes: 1 << 20, MaxEvent: 8 << 10, MaxAge: -1, regather: testkit.Patience}, func(e []byte) {
			var from string
			var n uint64
			if _, err := fmt.Sscanf(string(e), `{"from":%q,"n":%d`, &from, &n); err != nil {
				t.Errorf("event %.60q: %v", e, err)
			}
			seen.mu.Lock()
			defer seen.mu.Unlock()
			if n <= seen.last[from] {
				seen.bad++
			}
			seen.last[from] = n
		})
	}
	up(t, all[:]...)

	var posting sync.WaitGroup
	var posted atomic.Uint64
	for k, i := range all {
		for p := range producers {
			posting.Go(func() {
				pad := make([]byte, 200)
				for j := range pad {
					pad[j] = 'x'
				}
				for n := range uint64(perProducer) {
					i.post(fmt.Appendf(nil, `{"from":"%d-%d","n":%d,"pad":"%s"}`, k, p, n+1, pad[:rand.IntN(200)]))
					posted.Add(1)
					if n%100 == 0 {
						time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
					}
				}
			})
		}
	}
	stop := make(chan struct{})
	var disturbing sync.WaitGroup
	disturbing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(200)) * time.Millisecond):
			}
			switch rand.IntN(4) {
			case 0:
				server.Do("CLIENT", "KILL", "TYPE", "pubsub")
			case 1:
				server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			case 2:
				server.Pause(50 * time.Millisecond)
			case 3:
				server.Do("PUBLISH", "event-dispatcher", "noise")
			}
		}
	})
	posting.Wait()
	close(stop)
	disturbing.Wait()

	for k, i := range all {
		testkit.Eventually(t, "all accounted for", func() bool { return i.received.Load()+i.skipped.Load() >= posted.Load() })
		time.Sleep(10 * time.Millisecond) // more would be too much
		r, s := i.received.Load(), i.skipped.Load()
		if r+s != posted.Load() || tallies[k].bad != 0 {
			t.Errorf("instance %d: received %d + skipped %d of %d, %d out of order", k, r, s, posted.Load(), tallies[k].bad)
		}
		st := i.relay.Stats()
		t.Logf("instance %d: received %d, skipped %d; dropped %v, repeated %d, duplicates %d, subscribed %d times",
			k, r, s, st.Firehose.Dropped, st.Firehose.Failures, st.Duplicates, st.Firehose.Resumed)
	}
}
