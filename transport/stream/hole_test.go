package stream

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"event-dispatcher/transport/view"
)

// A hole is an event whose publisher was stopped after its reservation, as it is
// when it is preempted there. No test can time that, so this does by hand what
// ring.Publish does, and knows how the ring packs its words.
type hole struct {
	r     *rig
	data  []byte
	entry *atomic.Uint64
	end   int
	frame []byte
}

// dig reserves the next event of a shard.
func (r *rig) dig(shard int) *hole {
	r.t.Helper()
	s := &r.shards[shard]
	s.Lock()
	defer s.Unlock()
	frame := appendFrame(nil, event{shard: shard, number: s.next, size: 50})
	s.next++

	const placeMask, bytesMask, eventsShift, eventsMask = 1<<16 - 1, 1<<25 - 1, 25, 1<<18 - 1
	ring := reflect.ValueOf(r.broker).Elem().FieldByName("rings").Index(shard).Elem()
	active := *private[atomic.Uint64](r.t, ring, "active")
	seg := ring.FieldByName("segments").Index(int(active.Load()&placeMask) - 1)
	state := private[atomic.Uint64](r.t, seg, "state")
	data := *private[[]byte](r.t, seg, "data")
	index := *private[[]atomic.Uint64](r.t, seg, "index")
	for {
		st := state.Load()
		slot, start := int(st>>eventsShift&eventsMask), int(st&bytesMask)
		if slot == len(index) || start+len(frame) > len(data) {
			r.t.Fatal("the active segment is full: dig earlier")
		}
		if state.CompareAndSwap(st, st+1<<eventsShift+uint64(len(frame))) {
			end := start + len(frame)
			return &hole{r, data[start:end], &index[slot], end, frame}
		}
	}
}

// fill is the rest of Publish.
func (h *hole) fill() {
	copy(h.data, h.frame)
	at := uint64(h.r.broker.Tick(time.Now()))
	h.entry.Store(1<<63 | at<<24 | uint64(h.end-1))
	h.r.broker.Gate().Wake()
}

func private[T any](t testing.TB, of reflect.Value, name string) *T {
	t.Helper()
	f := of.FieldByName(name)
	if want := reflect.TypeFor[T](); !f.IsValid() || f.Type() != want {
		t.Fatalf("%v has no field %s of type %v: the ring has changed, so must this test", of.Type(), name, want)
	}
	return (*T)(unsafe.Pointer(f.UnsafeAddr()))
}

func TestNobodyPassesAHole(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 40 * time.Millisecond
		o.Stall = 300 * time.Millisecond
		r := newRig(t, roomy(1), o)
		before := r.join(joinOptions{})
		r.publish(0, 10)
		h := r.dig(0)
		r.publish(0, 10)
		during := r.join(joinOptions{}) // is ahead of the herd
		r.publish(0, 10)
		before.awaitEvents(t, 1)
		// Both live on, though not a byte comes out of the log: longer than
		// a socket may be stuck.
		start := time.Now()
		for _, c := range []*client{before, during} {
			n := len(c.books().keepAlives)
			eventually(t, func() string {
				if time.Since(start) > 2*o.Stall && len(c.books().keepAlives) > n {
					return ""
				}
				return "no keep-alive while a publisher is stopped"
			})
		}
		if got := r.pool.Stats().Closed; got != ([reasons]uint64{}) {
			t.Errorf("Stats().Closed = %v while a publisher is stopped; want none", got)
		}
		if got := before.books().received; got != 1 {
			t.Errorf("received %d events; want 1, the one before the hole", got)
		}
		eventually(t, func() string {
			if got := r.pool.Waiting(); got < o.Stall {
				return fmt.Sprintf("Waiting() = %v after %v behind a hole; want more than %v", got, time.Since(start), o.Stall)
			}
			return ""
		})
		h.fill()
		r.settle(before, during)
		if got := during.books().received; got != 1 {
			t.Errorf("joined behind 3 events, one of them a hole; received %d of 4; want 1", got)
		}
		r.wantBooksBalanced(before, during)
		eventually(t, func() string {
			if got := r.pool.Waiting(); got > o.KeepAlive {
				return "Waiting() = " + got.String() + " after the hole was filled; want about 0"
			}
			return ""
		})
	})
}

// A consumer that opened its stream before a hole, handed to a loop whose herd
// begins behind it.
func TestConsumerWaitsForAHoleBeforeItsHerd(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		early, err := r.pool.Admit(view.View{Shards: 0b11})
		if err != nil {
			t.Fatal(err)
		}
		h := r.dig(1)
		second := r.join(joinOptions{})
		first := r.serve(early, joinOptions{})
		r.publish(0, 10)
		r.publish(1, 10)
		second.awaitEvents(t, 1)
		h.fill()
		r.settle(first, second)
		if a, b := first.books().received, second.books().received; a != 3 || b != 2 {
			t.Errorf("received %d and %d; want 3 and 2", a, b)
		}
		r.wantBooksBalanced(first, second)
	})
}

func TestDrainWaitsForEventsBehindAHole(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{})
		h := r.dig(0)
		r.publish(0, 10) // accepted, but nobody can see it yet
		drained := make(chan struct{})
		go func() {
			r.drain(0, 0)
			close(drained)
		}()
		eventually(t, func() string {
			if !draining(r.pool.loops[0]) {
				return "the drain has not begun"
			}
			return ""
		})
		h.fill()
		<-drained
		c.wantEnd(t)
		if got := c.books(); got.received != 2 || got.retries != 1 {
			t.Errorf("received %d events and %d farewells; want 2 and 1", got.received, got.retries)
		}
	})
}
