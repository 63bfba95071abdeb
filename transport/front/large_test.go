package front

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

func TestLargeBodiesShareTheirRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l largeBodies
		l.init(10 * time.Second)
		h := make([]fasthttp.RequestHeader, 5)
		const half, limit = maxLargeBytes / 2, maxLargeBytes
		if !l.admit(&h[0], half, limit) || !l.admit(&h[1], half, limit) {
			t.Fatal("two bodies that fill the room find none")
		}
		if l.admit(&h[2], 1, limit) {
			t.Error("a third one finds room")
		}
		if held, ok := l.release(&h[2]); !ok || !held.refused {
			t.Errorf("release(refused) = %+v, %v; want it known as refused", held, ok)
		}
		if held, ok := l.release(&h[0]); !ok || held.refused || held.limit != limit {
			t.Errorf("release(admitted) = %+v, %v; want its limit", held, ok)
		}
		if _, ok := l.release(&h[0]); ok {
			t.Error("release() twice gives back twice")
		}
		if !l.admit(&h[2], half, limit) {
			t.Error("what was given back is not there")
		}
		// A header that is used for the next request gives back what its last one left.
		if !l.admit(&h[2], half, limit) {
			t.Error("a body has no room because of the one before it on its connection")
		}
		time.Sleep(12 * time.Second) // nobody gives back, as when connections are cut
		if !l.admit(&h[3], half, limit) || !l.admit(&h[4], half, limit) {
			t.Error("the room of bodies that never came is not given back in time")
		}
		for i := range h {
			l.release(&h[i])
		}
		if !l.admit(&h[0], 2*maxLargeBytes, 2*maxLargeBytes) {
			t.Error("a body larger than the room finds none although nobody else has any")
		}
		if l.release(&h[0]); l.bytes != 0 || len(l.holds) != 0 || l.n.Load() != 0 {
			t.Errorf("%d bytes, %d holds remain; want none", l.bytes, len(l.holds))
		}
	})
}
