package stream

import (
	"fmt"
	"testing"
	"time"
)

// Of many shapes a turn makes a few, and the rest in turns of their own: who takes events
// as they are does not wait for all of them, and nobody loses any.
func TestManyShapesHoldUpNobody(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		plain := r.join(joinOptions{})
		all := []*client{plain}
		const size = 15 << 10
		const shapes = shapeBytes/size + 40
		for i := range shapes {
			all = append(all, r.join(joinOptions{view: v.of(fmt.Sprintf("where=shard=0&where=number>=-%d&members=shard,producer,number,size,pad", i))}))
		}
		r.awaitHerd(len(all))
		r.inLoop(func(l *loop) {
			r.publish(0, size)
			l.turn++
			l.sweep(&l.live, time.Now(), time.Now())
			if back := l.stats.lagging.Load(); back < 40 || back > 80 {
				t.Errorf("%d of %d shapes are left for later; want the last 40 or some more", back, shapes)
			}
			for _, c := range l.slots {
				if c != nil && c.herd.shape == nil && c.lag != nil {
					t.Error("a consumer that takes events as they are is left for later")
				}
			}
		})
		r.settleViews(all...)
		r.wantLagging(0)
		for i, c := range all {
			if got := c.books(); got.received != 1 || got.skipped != 0 {
				t.Errorf("client %d received %d events and skipped %d; want 1 and 0", i, got.received, got.skipped)
			}
		}
	})
}
