package websocket

import (
	"syscall"
	"testing"

	"event-dispatcher/internal/testkit"
)

// spied is a connection of which somebody is told before its descriptor is used.
type spied struct {
	syscall.RawConn
	before func()
}

func (s spied) Control(f func(uintptr)) error {
	s.before()
	return s.RawConn.Control(f)
}

// News of a connection that had the slot before can come while somebody begins to wait. Who
// was there when that ends the looking out is called: nothing else will.
func TestWhoWaitsIsTakenAfterTheLookingOutEnds(t *testing.T) {
	_, near := testkit.Connect(t, testkit.Listen(t))
	var readers Readers
	k := readers.Add(near, nil, &note{})
	defer readers.Wait()
	defer k.Stop(ReasonLeft)
	called := 0
	f := func() { called++ }
	k.raw = spied{k.raw, func() { k.awaits.Store(&f) }} // it comes as late as it can
	k.takes()
	if called != 1 {
		t.Errorf("who began to wait before the looking out ended was called %d times; want once", called)
	}
}
