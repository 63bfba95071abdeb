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

// A consumer that closes its side is sent what is on its way to it, and the answer.
func TestAnswerAndEndWaitForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		events int // of the second one its socket takes nothing
		answer string
	}{
		{"up to date", 1, "answer"},
		{"up to date, nothing to answer", 1, ""},
		{"behind", 2, "answer"},
		{"behind, nothing to answer", 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour, Portable: true})
			ticket, err := r.pool.Admit(view.View{Shards: 1})
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe() // takes nothing that is not read
			l := ticket.ServeLinked(far, opening)
			if _, err := io.ReadFull(near, make([]byte, len(opening))); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() (wrong string) {
				r.inLoop(func(l *loop) {
					if c := l.slots[0]; c.lag != nil || !l.sockets.flushed(c) {
						wrong = "the opening is still being written"
					}
				})
				return wrong
			})
			for range tt.events {
				r.publish(0, 10)
				r.wantSwept()
			}
			thaw := freeze(r.pool.loops[0])
			if tt.answer != "" {
				l.Answer([]byte(tt.answer))
			}
			l.End()
			thaw()
			for range 3 {
				r.inLoop(func(*loop) {})
			}
			select {
			case <-l.Done():
				t.Error("Done() is closed; want it open until the event is read")
			default:
			}
			read := make(chan string)
			go func() {
				b, _ := io.ReadAll(near)
				read <- string(b)
			}()
			select {
			case <-l.Done():
			case <-time.After(patience):
				t.Errorf("Done() is open after %v; want it closed", patience)
			}
			far.Close()
			want := string(appendFrame(nil, event{size: 10})) + tt.answer
			if got := <-read; got != want {
				t.Errorf("read %q; want %q", got, want)
			}
			r.wantClosed(ReasonLeft, 1)
		})
	}
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
