package stream

import (
	"testing"
	"time"
)

// What a laggard has of a share is counted, also what is beside its bytes, and goes with the
// laggard, though the view gets no event any more.
func TestShareIsCountedAndGoesWithItsLaggard(t *testing.T) {
	const events = 30_000
	r := newRig(t, spacious(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
	v := newViews(t, r.broker).of("wire=ndjson&every=1h&latest=number&members=none")
	stays := r.join(joinOptions{view: v})
	slow := r.join(joinOptions{view: v, buffer: 16 << 10, stalled: true})
	r.wantHerd(stays, true)
	r.wantHerd(slow, true)
	r.inLoop(func(*loop) { // all in one share
		for range events {
			r.publish(0, 20)
		}
	})
	r.wantSwept()
	r.release()
	r.wantLagging(1)
	r.wantKept(events*16, 1<<20)
	slow.conn.Close()
	r.wantConsumers(1)
	r.wantKept(0, 0)
	eventually(t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			for _, h := range l.conflated {
				for c := range h.conflation.slow {
					if c.slot < 0 {
						wrong = "one who left is known"
					}
				}
			}
			if l.share.copy != nil {
				wrong = "the loop has a copy of a share"
			}
		})
		return wrong
	})
	r.wantHerd(stays, true) // so the view is still there
}
