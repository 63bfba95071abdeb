package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"event-dispatcher/transport/view"
)

// link makes a consumer that is read, by what is returned as far.
func (r *rig) link(buffer int) (l *Link, near, far *net.TCPConn) {
	r.t.Helper()
	ticket, err := r.pool.Admit(view.View{Shards: r.broker.AllShards()})
	if err != nil {
		r.t.Fatalf("Admit() = %v; want nil", err)
	}
	near, far = r.connect(buffer)
	r.t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return ticket.ServeLinked(far, opening), near, far
}

// What a socket says after its consumer was closed concerns nobody else: not who
// has its place by then.
func TestEndOfAClosedConnectionEndsNobodyElse(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		l, near, far := r.link(0)
		l.End()
		<-l.Done()
		next := r.join(joinOptions{})
		next.awaitOpening(t)
		near.Close()
		io.Copy(io.Discard, far) // until the end is here
		r.publish(0, 10)
		r.settle(next)
		if st := r.pool.Stats(); st.Consumers != 1 || st.Closed[ReasonLeft] != 1 {
			t.Errorf("Stats() = %d consumers, %d left; want 1, 1", st.Consumers, st.Closed[ReasonLeft])
		}
	})
}

// A consumer that is cut, but reads again at once, is not left with an open
// connection on which nothing comes any more.
func TestReaderOfAStalledConsumerEnds(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = 2 * time.Second // and a second more for the kernel
		r := newRig(t, tiny(1), o)
		l, near, far := r.link(8 << 10)
		for r.pool.Stats().Closed[ReasonStalled] == 0 {
			r.publish(0, 150)
			time.Sleep(100 * time.Microsecond)
		}
		<-l.Done()
		go io.Copy(io.Discard, near)
		far.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, far); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection is open %v after its consumer was cut", patience)
		}
	})
}

// A reader ends, too, if there is no descriptor for the loop.
func TestReaderEndsIfTheLoopCannotTakeTheConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	near, far := net.Pipe()
	defer near.Close()
	ticket, err := r.pool.Admit(view.View{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	l := ticket.ServeLinked(far, nil)
	far.SetReadDeadline(time.Now().Add(patience))
	if _, err := far.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read() = %v; want the connection closed", err)
	}
	l.End()
	<-l.Done()
}

// A consumer that was sent away at a drain, and does not hang up, does not keep its
// reader.
func TestReaderOfADrainedConsumerEnds(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		l, near, far := r.link(0)
		r.drain(0, 0)
		<-l.Done()
		near.SetDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, far); err == nil {
			t.Error("reading ended as if the consumer had hung up; it did not")
		}
		l.End()
	})
}
