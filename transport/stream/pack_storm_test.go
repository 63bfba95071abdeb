package stream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// A compressed consumer that reads nothing for as long as may be is cut, the blocks that
// were kept for it are let go, and the others have lost nothing.
func TestCompressedConsumerThatStallsIsCutAndItsBlocksAreLetGo(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = 4 * time.Second // as in TestStalledConsumerIsCutAndNobodyElse
		r := newRig(t, roomy(1), o)
		j := joinOptions{view: view.View{Format: wire.Format{Encoding: wire.Gzip}}}
		healthy := r.join(j)
		j.buffer = 8 << 10
		stalled := r.join(j)
		r.settleViews(healthy, stalled) // it has entered
		stalled.stall()
		random := rand.New(rand.NewPCG(6, 6))
		packer := func() (kept, lagging int) {
			r.inLoop(func(l *loop) { kept, lagging = l.packed[0].packer.kept, l.packed[0].packer.lagging })
			return kept, lagging
		}
		eventually(t, func() string {
			for range 20 {
				r.publishNoise(0, random, 4000) // of what cannot be compressed well
			}
			if kept, lagging := packer(); kept == 0 || lagging == 0 {
				return "no block is kept for a consumer that stalls"
			}
			return ""
		})
		eventually(t, func() string {
			r.publish(0, 10)
			if st := r.pool.Stats(); st.Closed[ReasonStalled]+st.Closed[ReasonVanished] != 1 {
				return fmt.Sprintf("closed %v; want the stalled one", st.Closed)
			}
			return ""
		})
		stalled.resume()
		<-stalled.done
		eventually(t, func() string {
			r.publish(0, 10)
			if kept, lagging := packer(); kept != 0 || lagging != 0 {
				return fmt.Sprintf("%d bytes of blocks are kept for %d consumers; want none", kept, lagging)
			}
			return ""
		})
		r.settleViews(healthy)
		if got := healthy.books(); got.skipped != 0 {
			t.Errorf("the healthy one skipped %d; want 0", got.skipped)
		}
	})
}

// Compressed consumers come and go in storms, and somebody who stays notices nothing.
func TestStormsOfCompressedConsumersHarmNobody(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 8 * time.Millisecond // so the clock ticks fast, and herds are soon forgotten
		o.Stall = time.Hour                // however slow the machine
		r := newRig(t, roomy(2), o)
		v := newViews(t, r.broker)
		views := []view.View{v.of("encoding=gzip"), v.of("encoding=gzip&wire=ndjson"), v.of("encoding=gzip&where=size>=75")}
		var stay []*client
		for _, view := range views {
			stay = append(stay, r.join(joinOptions{view: view}))
		}
		stop := make(chan struct{})
		var publishing, storms sync.WaitGroup
		publishing.Go(func() {
			repeat(stop, func(i int) {
				r.publish(i%2, i%150)
				time.Sleep(100 * time.Microsecond)
			})
		})
		for k := range 3 {
			storms.Go(func() {
				random := rand.New(rand.NewPCG(8, uint64(k)))
				for range 8 {
					var all []*client
					for range 20 {
						all = append(all, r.join(joinOptions{view: views[random.IntN(len(views))]}))
					}
					time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
					for _, c := range all {
						c.conn.Close()
						<-c.done
						if wrong := c.books().wrong; wrong != "" {
							t.Errorf("one of a storm: %s", wrong)
						}
					}
				}
			})
		}
		storms.Wait()
		close(stop)
		publishing.Wait()
		r.settleViews(stay...)
		for i, c := range stay {
			if got := c.books(); got.skipped != 0 || got.received == 0 {
				t.Errorf("client %d of those that stay received %d, skipped %d; want some, and 0", i, got.received, got.skipped)
			}
		}
		r.drain(0, 0)
		for _, c := range stay {
			c.wantEnd(t)
		}
	})
}
