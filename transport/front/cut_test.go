package front

import (
	"net"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A busyTLS waits with its end for a write that its peer does not take, as TLS does when it
// answers a peer's key update.
type busyTLS struct {
	net.Conn
	taken chan struct{}
}

func (b busyTLS) NetConn() net.Conn { return b.Conn }
func (b busyTLS) Close() error      { <-b.taken; return b.Conn.Close() }

// A shutdown ends connections over TLS whose peers take nothing.
func TestCutDoesNotWaitForTLS(t *testing.T) {
	t.Parallel()
	peer, accepted := testkit.Connect(t, testkit.Listen(t))
	taken := make(chan struct{})
	defer close(taken)
	cs := &connections{all: map[*conn]struct{}{}}
	cs.add(busyTLS{accepted, taken}, 0)
	done := make(chan struct{})
	go func() { cs.cut(); close(done) }()
	if err := peer.SetReadDeadline(time.Now().Add(testkit.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("the peer is sent something; want the end")
	}
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Error("cut waits for a peer that takes nothing")
	}
}

// A connection that is taken over meanwhile is its new owner's.
func TestCutLeavesWhatIsTakenOver(t *testing.T) {
	t.Parallel()
	for range 50 {
		cs := &connections{}
		var conns []*conn
		for range 20 {
			a, b := net.Pipe()
			defer a.Close()
			defer b.Close()
			conns = append(conns, cs.add(a, 0))
		}
		var all sync.WaitGroup
		all.Go(cs.cut)
		all.Go(func() {
			for _, c := range conns {
				c.take()
			}
		})
		all.Wait()
	}
}
