package stream

import (
	"strings"
	"testing"
	"time"

	"event-dispatcher/transport/view"
)

// A consumer that takes nothing any more closes its side, as with a close frame:
// its answer and its end come together. The answer is tried, in vain.
func TestLinkEndsWhileItsSocketIsFull(t *testing.T) {
	t.Parallel()
	o := Options{Loops: 1, KeepAlive: -1}
	for _, size := range []int{10, 1000, 9000} {
		r := newRig(t, roomy(1), o)
		ticket, err := r.pool.Admit(view.View{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		near, far := r.connect(4 << 10)
		defer near.Close()
		defer far.Close()
		l := ticket.ServeLinked(far, opening)
		for i, filled := 0, false; i < 20000 && !filled; i++ {
			r.publish(0, size)
			st := r.pool.Stats()
			filled = st.Lagging == 1 && st.Delivered > 0 && st.Delivered+1 < r.broker.Stats().Published
		}
		thaw := freeze(r.pool.loops[0])
		l.Answer([]byte(strings.Repeat("x", 64<<10)))
		l.End()
		thaw()
		select {
		case <-l.Done():
		case <-time.After(patience):
			t.Fatalf("events of %d bytes: Done() is open after %v; want it closed", size, patience)
		}
	}
}
