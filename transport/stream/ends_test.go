package stream

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"event-dispatcher/transport/view"
)

func TestReasonSaysWhyAConsumerIsGone(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		stay := r.join(joinOptions{})
		left := r.join(joinOptions{})
		half := r.join(joinOptions{})
		reset := r.join(joinOptions{})
		r.publish(0, 10)
		r.settle(stay, left, half, reset)

		left.conn.Close()
		r.wantClosed(ReasonLeft, 1)
		half.conn.CloseWrite() // says that it wants no more
		r.wantClosed(ReasonLeft, 2)
		<-half.done
		reset.conn.SetLinger(0)
		reset.conn.Close()
		r.wantClosed(ReasonReset, 1)

		r.publish(0, 10)
		r.settle(stay)
		eventually(t, func() string { // it has all before the last write is over
			if st := r.pool.Stats(); st.Consumers != 1 || st.Lagging != 0 {
				return fmt.Sprintf("Stats() = %d consumers, %d lagging; want 1, 0", st.Consumers, st.Lagging)
			}
			return ""
		})
	})
}

// A consumer that is gone before its stream begins, with and without a reset.
func TestConsumerThatLeavesAtOnceIsClosed(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		for i := range 20 {
			ticket, err := r.pool.Admit(view.View{Shards: 1})
			if err != nil {
				t.Fatal(err)
			}
			near, far := r.connect(0)
			if i%2 == 0 {
				near.SetLinger(0)
			}
			near.Close()
			ticket.Serve(far, opening)
		}
		eventually(t, func() string {
			st := r.pool.Stats()
			closed := uint64(0)
			for _, n := range st.Closed {
				closed += n
			}
			if st.Consumers != 0 || st.Lagging != 0 || closed != 20 || st.Closed[ReasonError] != 0 {
				return fmt.Sprintf("Stats() = %d consumers, %d lagging, closed %v; want 0, 0, 20 of them left or reset", st.Consumers, st.Lagging, st.Closed)
			}
			return ""
		})
	})
}

func TestStalledConsumerIsCutAndNobodyElse(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		// Long, because a loop that is late by much, compared with it, finds that
		// the kernel gave up first.
		o.Stall = 4 * time.Second
		r := newRig(t, tiny(2), o)
		healthy := r.join(joinOptions{})
		idle := r.join(joinOptions{stalled: true, shards: 0b10}) // reads nothing, but there is nothing for it
		start := time.Now()
		stalled := r.join(joinOptions{stalled: true, buffer: 8 << 10})
		for r.pool.Stats().Closed[ReasonStalled] == 0 {
			if in, ok := r.inspect(stalled); ok && in.Lag > 0 {
				time.Sleep(time.Millisecond) // its socket is full
			} else {
				for range 20 { // soon full, or the kernel gives up before us
					r.publish(0, 150)
				}
			}
			if time.Since(start) > patience {
				t.Fatalf("a consumer that reads nothing is not cut as stalled: %+v", r.pool.Stats())
			}
		}
		if took := time.Since(start); took < o.Stall {
			t.Errorf("cut after %v; want %v at least", took, o.Stall)
		}
		r.settle(healthy)
		for _, c := range []*client{healthy, idle} {
			if _, ok := r.inspect(c); !ok {
				t.Error("a consumer that takes everything was cut, too")
			}
		}
		stalled.resume()
		idle.resume()
		<-stalled.done
		if got := stalled.books(); got.wrong != "" || got.retries != 0 {
			t.Errorf("stalled consumer: %d farewells, wrong %q; want 0, none", got.retries, got.wrong)
		}
	})
}

// One that takes a little now and then is slow, not dead.
func TestSlowConsumerIsNeverCut(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = 2 * time.Second
		r := newRig(t, tiny(1), o)
		slow := r.join(joinOptions{buffer: 8 << 10, chunk: 2 << 10, pause: func() { time.Sleep(20 * time.Millisecond) }})
		for start := time.Now(); time.Since(start) < 3*o.Stall/2 || time.Since(start) < patience && slow.books().skipped == 0; {
			for range 20 {
				r.publish(0, 150)
			}
			time.Sleep(time.Millisecond)
		}
		if got := r.pool.Stats().Closed; got != ([reasons]uint64{}) {
			t.Errorf("Stats().Closed = %v; want none", got)
		}
		if got := slow.books(); got.wrong != "" || got.skipped == 0 {
			t.Errorf("slow consumer: skipped %d, wrong %q; want the test to lap it, and none", got.skipped, got.wrong)
		}
	})
}

// Not parallel, so that nobody else opens descriptors meanwhile.
func TestGoroutinesAndDescriptorsReturnToTheirBaseline(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	for _, portable := range []bool{false, true} {
		joinAndLeave(t, Options{Portable: portable, Loops: 2, KeepAlive: -1}, 1000)
		eventually(t, func() string {
			if g, d := runtime.NumGoroutine(), descriptors(t); g > goroutines || d != fds {
				return fmt.Sprintf("portable=%v: %d goroutines and %d descriptors after Close; want %d and %d as before",
					portable, g, d, goroutines, fds)
			}
			return ""
		})
	}
}

// joinAndLeave has so many consumers join and leave in the middle of broadcasts,
// and ends the pool.
func joinAndLeave(t *testing.T, o Options, consumers int) {
	t.Run(fmt.Sprintf("portable=%v", o.Portable), func(t *testing.T) {
		r := newRig(t, tiny(1), o)
		stay := r.join(joinOptions{})
		stop := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.publish(0, 100)
					time.Sleep(time.Millisecond)
				}
			}
		})
		var joining sync.WaitGroup
		for range 4 {
			joining.Go(func() {
				var here []*client
				for i := range consumers / 4 {
					here = append(here, r.join(joinOptions{}))
					if len(here) == 25 {
						for k, c := range here {
							if (i+k)%3 == 0 {
								c.conn.SetLinger(0)
							}
							c.conn.Close()
						}
						here = here[:0]
					}
				}
			})
		}
		joining.Wait()
		close(stop)
		running.Wait()
		r.settle(stay)
		eventually(t, func() string {
			if st := r.pool.Stats(); st.Consumers != 1 || st.Lagging != 0 || st.Closed[ReasonError] != 0 {
				return fmt.Sprintf("Stats() = %d consumers, %d lagging, closed %v; want 1, 0, none in error", st.Consumers, st.Lagging, st.Closed)
			}
			return ""
		})
	})
}
