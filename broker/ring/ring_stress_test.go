package ring_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker/ring"
)

// The stress test runs producers and readers of every temper on segments so tiny
// that they are recycled all the time, and checks that each reader gets whole
// events, in order, and that received plus skipped is exactly what was published.
func TestEveryEventIsReadOrSkipped(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    ring.Options
	}{
		{"4 events to a segment", ring.Options{SegmentBytes: 64, Window: 2}},
		{"16 events to a segment", ring.Options{SegmentBytes: 1 << 10, Window: 3}},
		{"counters wrap", ring.Options{
			SegmentBytes: 64, Window: 2, FirstSequence: math.MaxUint64 - 5000, FirstOrdinal: ring.MaxOrdinal - 1000,
		}},
		{"epoch wraps", ring.Options{SegmentBytes: 64, Window: 4, FirstOrdinal: ring.EpochPeriod - 1000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			newStress(t, tt.o).run()
		})
	}
}

type stress struct {
	t         *testing.T
	r         *ring.Ring
	first     ring.Cursor
	producers int
	events    int // per producer

	published atomic.Uint64 // successes, and the sequences of Skip
	done      chan struct{} // closed when the producers are
}

func newStress(t *testing.T, o ring.Options) *stress {
	o.Spares = 6
	s := &stress{t: t, r: ring.New(o), producers: 4, events: 10_000, done: make(chan struct{})}
	if testing.Short() {
		s.events /= 10
	}
	s.r.Poison()
	s.first = s.r.Head()
	return s
}

func (s *stress) run() {
	var producing, reading sync.WaitGroup
	for p := range s.producers {
		producing.Go(func() { s.produce(p) })
	}
	producing.Go(s.skip)
	producing.Go(s.skip)

	reading.Go(func() { s.read("eager", s.first, func(*ring.Batch) {}) })
	reading.Go(func() { s.read("sleeping while pinned", s.first, s.sleepPinned) })
	reading.Go(func() { s.read("yielding while pinned", s.first, func(*ring.Batch) { runtime.Gosched() }) })
	reading.Go(func() { s.read("late", s.r.Head(), s.sleepPinned) })
	reading.Go(s.joinAndLeave)
	reading.Go(s.watch)

	producing.Wait()
	close(s.done)
	reading.Wait()

	if got, want := uint64(s.first.Behind(s.r.Head())), s.published.Load(); got != want {
		s.t.Errorf("the head moved by %d; want %d, as many as were published", got, want)
	}
	if got := s.r.Pins(); got != 0 {
		s.t.Errorf("pins at the end = %d; want 0", got)
	}
}

// event is the nth event of a producer: who, which, and bytes that follow from it.
func event(producer, n, size int) []byte {
	e := binary.LittleEndian.AppendUint32([]byte{byte(size), byte(producer)}, uint32(n))
	for len(e) < size {
		e = append(e, byte(producer*31+n*7+len(e)))
	}
	return e
}

// parse takes an event apart, or says what is wrong with it.
func parse(e []byte) (producer, n int, err error) {
	if len(e) < 6 || len(e) != int(e[0]) {
		return 0, 0, fmt.Errorf("event %x has length %d", e, len(e))
	}
	producer, n = int(e[1]), int(binary.LittleEndian.Uint32(e[2:]))
	for i := 6; i < len(e); i++ {
		if e[i] != byte(producer*31+n*7+i) {
			return 0, 0, fmt.Errorf("event %x differs at byte %d", e, i)
		}
	}
	return producer, n, nil
}

func (s *stress) produce(producer int) {
	for n := 0; n < s.events; {
		e := event(producer, n, 6+rand.IntN(min(s.r.MaxEvent(), 200)-5))
		var err error
		switch rand.IntN(100) {
		case 0: // frozen with its bytes half written
			var hole ring.Reservation
			if hole, err = s.r.Reserve(len(e)); err == nil {
				copy(hole.Bytes(), e[:3])
				time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
				hole.Commit(0, e)
			}
		case 1, 2, 3: // several at once
			events := run{e}
			for more := rand.IntN(min(12, s.events-n)); more > 0; more-- {
				events = append(events, event(producer, n+len(events), 6+rand.IntN(min(s.r.MaxEvent(), 200)-5)))
			}
			var done int
			done, err = s.r.PublishRun(0, events)
			if err == nil {
				done-- // counted below
			}
			n += done
			s.published.Add(uint64(done))
		default:
			cut := rand.IntN(len(e))
			err = s.r.Publish(0, e[:cut], e[cut:])
		}
		switch {
		case err == nil:
			n++
			s.published.Add(1)
		case errors.Is(err, ring.ErrExhausted):
			time.Sleep(10 * time.Microsecond) // everything is pinned or frozen just now
		default:
			s.t.Errorf("Publish() = %v", err)
			return
		}
	}
}

func (s *stress) skip() {
	for range s.events / 4 {
		n := uint64(rand.IntN(5))
		if err := s.r.Skip(n); err == nil {
			s.published.Add(n)
		} else if !errors.Is(err, ring.ErrExhausted) {
			s.t.Errorf("Skip(%d) = %v", n, err)
		}
		runtime.Gosched()
	}
}

func (s *stress) sleepPinned(*ring.Batch) {
	if rand.IntN(8) == 0 {
		time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
	}
}

// read follows from c until the producers are done and nothing is left. hold
// runs while a batch is pinned.
func (s *stress) read(name string, c ring.Cursor, hold func(*ring.Batch)) {
	var b ring.Batch
	var passed uint64
	start := c
	last := make([]int, s.producers) // next number expected at least
	check := func() bool {
		at := append([]int(nil), last...)
		total := 0
		for i := range b.Events {
			e := b.Event(i)
			total += len(e)
			producer, n, err := parse(e)
			if err != nil {
				s.t.Errorf("%s reader: %v", name, err)
				return false
			}
			if n < at[producer] {
				s.t.Errorf("%s reader: event %d of producer %d after event %d", name, n, producer, at[producer]-1)
				return false
			}
			at[producer] = n + 1
		}
		if total != len(b.Bytes) {
			s.t.Errorf("%s reader: events have %d bytes together; want %d", name, total, len(b.Bytes))
			return false
		}
		return true
	}
	for finished := false; ; {
		if !s.r.Read(&c, &b, 1+rand.IntN(100)) {
			if finished {
				break
			}
			select {
			case <-s.done:
				finished = true // then everything is committed: once more to the end
			default:
				runtime.Gosched()
			}
			continue
		}
		if c.Sequence()-start.Sequence() != passed+b.Skipped+uint64(b.Events) {
			s.t.Errorf("%s reader stands at %d; want %d", name, c.Sequence(), start.Sequence()+passed+b.Skipped+uint64(b.Events))
		}
		if rand.IntN(4) == 0 && b.Events > 0 { // as a consumer does that took a part
			b.Truncate(rand.IntN(b.Events + 1))
			c = b.Cursor(b.Events)
		}
		ok := check()
		hold(&b)
		ok = ok && check() // what is pinned stays as it is
		for i := range b.Events {
			if producer, n, err := parse(b.Event(i)); err == nil {
				last[producer] = n + 1
			}
		}
		passed += b.Skipped + uint64(b.Events)
		b.Release()
		if !ok {
			return
		}
		if rand.IntN(8) == 0 { // as a consumer does that comes back
			again, known := s.r.Find(c.Sequence())
			if !known || again.Sequence() != c.Sequence() {
				s.t.Errorf("%s reader: Find(%d) = %d, %v", name, c.Sequence(), again.Sequence(), known)
				return
			}
			c = again
		}
	}
	head := s.r.Head()
	if want := uint64(start.Behind(head)); passed != want || c.Behind(head) != 0 {
		s.t.Errorf("%s reader: received + skipped = %d, ends %d behind; want %d, 0", name, passed, c.Behind(head), want)
	}
}

// joinAndLeave takes new cursors all the time: what follows a head is never
// older than the head, and the numbers add up at once.
func (s *stress) joinAndLeave() {
	var b ring.Batch
	for {
		select {
		case <-s.done:
			return
		default:
		}
		c := s.r.Head()
		start, passed := c, uint64(0)
		for range 3 {
			if s.r.Pending(c) && !s.r.Read(&c, &b, 50) {
				s.t.Error("Read() = false after Pending() = true; want true")
			}
			passed += b.Skipped + uint64(b.Events)
			b.Release()
			b = ring.Batch{}
		}
		if got := start.Behind(c); uint64(got) != passed {
			s.t.Errorf("new reader: received + skipped = %d; want %d", passed, got)
			return
		}
		if ahead := c.Behind(s.r.Head()); ahead < 0 {
			s.t.Errorf("new reader stands %d behind the head; want 0 or more", ahead)
			return
		}
		runtime.Gosched()
	}
}

// watch takes statistics all the time: they stay plausible.
func (s *stress) watch() {
	for published := uint64(0); ; {
		st := s.r.Stats()
		if st.Published < published || st.Retained > st.Published || st.Bytes < 0 {
			s.t.Errorf("Stats() = %+v after Published was %d; want it to grow, and Retained to be part of it", st, published)
			return
		}
		published = st.Published
		select {
		case <-s.done:
			return
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// Skips at the same moment, of different sizes, beside a publisher that may link
// the next segment: each counts once, as what it is.
func TestSkipsAtOnceAddUp(t *testing.T) {
	r := small(3)
	start := r.Head()
	var want atomic.Uint64
	var running sync.WaitGroup
	for g := range 4 {
		running.Go(func() {
			for i := range 10_000 {
				n := uint64(g<<20 + i&3 + 1)
				if g == 0 {
					if r.Publish(0, []byte("event")) == nil {
						want.Add(1)
					}
				} else if r.Skip(n) == nil {
					want.Add(n)
				}
			}
		})
	}
	running.Wait()
	if _, skipped := readAll(r, &start); start.Behind(r.Head()) != 0 || skipped > want.Load() {
		t.Errorf("a reader skipped %d and ends %d behind; want %d at most, 0", skipped, start.Behind(r.Head()), want.Load())
	}
	if got := r.Stats().Published; got != want.Load() {
		t.Errorf("Published = %d; want %d", got, want.Load())
	}
}
