package stream

import (
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/internal/testkit"
)

// A stream over TLS, or written by goroutines, has its backlog in the ring as any other.
func TestSocketsThatGoroutinesWriteAreSetUp(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Portable: true}} {
		for _, encrypted := range []bool{false, true} {
			if !o.Portable && !encrypted {
				continue // see TestSocketOfAConsumerIsSetUp
			}
			o.Loops, o.Stall = 1, 7*time.Second
			r := newRig(t, roomy(1), o)
			near, far := r.connect(0)
			c := &consumer{conn: far}
			if encrypted {
				c.conn = tls.Server(far, &tls.Config{})
			}
			s := r.pool.loops[0].sockets
			if err := s.take(c); err != nil {
				t.Fatal(err)
			}
			lowat := testkit.Option(t, far, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
			timeout := testkit.Option(t, far, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if lowat != notSentLowat || timeout != 8000 {
				t.Errorf("portable %v, TLS %v: TCP_NOTSENT_LOWAT = %d, TCP_USER_TIMEOUT = %d; want %d, 8000", o.Portable, encrypted, lowat, timeout, notSentLowat)
			}
			s.drop(c, ReasonLeft)
			near.Close()
		}
	}
}

// What is read may come as fast as it can: only sockets that nobody reads are kept small.
func TestALinkedSocketKeepsItsReceiveBuffer(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1})
	near, far := r.connect(0)
	defer near.Close()
	defer far.Close()
	before := testkit.Option(t, far, unix.SOL_SOCKET, unix.SO_RCVBUF)
	c := &consumer{conn: far, link: &Link{}}
	s := r.pool.loops[0].sockets
	if err := s.take(c); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Option(t, far, unix.SOL_SOCKET, unix.SO_RCVBUF); got != before {
		t.Errorf("SO_RCVBUF = %d; want %d as before", got, before)
	}
	s.drop(c, ReasonLeft)
}

// What the peer of a stream sends is not read, and its end is seen all the same.
func TestAStreamThatIsSentMuchEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1})
	c := r.join(joinOptions{})
	c.awaitOpening(t)
	c.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	c.conn.Write(make([]byte, 8<<20)) // as much as there is room for
	c.conn.Close()
	eventually(t, func() string {
		r.publish(0, 100) // a peer that is gone answers it with a reset
		if st := r.pool.Stats(); st.Consumers != 0 {
			return "the consumer is still there"
		}
		return ""
	})
}
