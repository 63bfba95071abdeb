package relay

import (
	"testing"

	"event-dispatcher/broker/ring"
)

// Players that publish while a segment is allocated would take the others, and
// find none left.
func TestOutboxHasItsMemoryBeforeTheFirstEvent(t *testing.T) {
	o := newOutbox(2, 1<<20, 4<<10)
	r := o.logs[1].ring
	before := r.Stats()
	e := make([]byte, 512)
	for range 4000 { // more than the log holds
		o.offer(1, ring.Tick(1), [][]byte{e})
	}
	after := r.Stats()
	if after.Retained == after.Published {
		t.Fatalf("%d events do not fill the log", after.Published)
	}
	if before.Allocated != after.Allocated {
		t.Errorf("%d bytes allocated at first, %d when the log is full", before.Allocated, after.Allocated)
	}
}
