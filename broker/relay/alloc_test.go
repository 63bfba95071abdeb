//go:build unix && !race

package relay

import (
	"testing"
	"time"

	"event-dispatcher/broker/ring"
)

func TestOfferDoesNotAllocate(t *testing.T) {
	o := newOutbox(4, 1<<20, 4<<10)
	at := ring.Tick(time.Now().Unix())
	e, ip := event(1, 512), []byte("::1")
	r := &Relay{}
	r.firehose.publisher.outbox = o
	if n := testing.AllocsPerRun(1000, func() { r.Offer(3, at, e, ip, e) }); n != 0 {
		t.Errorf("Offer allocates %v times; want 0", n)
	}
}
