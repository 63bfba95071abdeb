package ring

import (
	"errors"
	"sync/atomic"
)

// Errors of [Ring.Publish].
var (
	// ErrTooLarge: the event is larger than [Ring.MaxEvent], or empty.
	ErrTooLarge = errors.New("ring: event empty or too large")
	// ErrExhausted: all segments but the latest two are pinned by readers or
	// held by preempted publishers. Nothing was stored.
	ErrExhausted = errors.New("ring: no segment can be recycled")
)

// Limits of the words that state.go packs.
const (
	MaxSegmentBytes = 1 << endBits      // 16 MiB
	MaxSegments     = placeMask - 1     // places are stored plus one
	maxEvents       = 1<<eventsBits - 1 // per segment
)

// Options sizes a [Ring]. The zero value is a ring of 64 MiB.
type Options struct {
	// SegmentBytes is the size of a segment's data plane, at most
	// MaxSegmentBytes. Zero means 1 MiB.
	SegmentBytes int

	// MaxEvent is the size in bytes of the largest event accepted, at most
	// SegmentBytes. An event that does not fit ends a segment early, so large
	// ones waste up to this much of each. Zero means a quarter of SegmentBytes.
	MaxEvent int

	// Window is how many segments are retained, the active one included; at
	// least 2. Zero means 64. While the spares do not suffice, the window is
	// shorter.
	Window int

	// Spares is how many segments there are beyond the window: one for each
	// reader that may hold a pin at the same time, and two for publishers
	// that are replacing a segment. Zero means 8.
	Spares int

	// FirstSequence and FirstOrdinal are where the counters start. Tests use
	// them to start next to a wrap-around.
	FirstSequence uint64
	FirstOrdinal  uint64
}

// A Ring is the broadcast log. Its methods may be called by any goroutine.
type Ring struct {
	// Fixed after New.
	maxEvent int
	window   int
	first    uint64
	segments []segment
	poison   bool // tests: overwrite recycled memory

	_         [64]byte
	active    word // ref of the segment that publishers append to
	_         [56]byte
	oldest    word          // ref of the oldest segment of the window
	exhausted atomic.Uint64 // times that no segment could be claimed

	skipping mutex // held by Skip, never by Publish
}

// New returns an empty ring. It panics if the options are out of range.
func New(o Options) *Ring {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 1 << 20
	}
	if o.Window == 0 {
		o.Window = 64
	}
	if o.Spares == 0 {
		o.Spares = 8
	}
	if o.SegmentBytes < 4 || o.SegmentBytes > MaxSegmentBytes {
		panic("ring: SegmentBytes out of range")
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = o.SegmentBytes / 4
	}
	if o.MaxEvent < 1 || o.MaxEvent > o.SegmentBytes {
		panic("ring: MaxEvent out of range")
	}
	if o.Window < minWindow || o.Spares < 1 || o.Window+o.Spares > MaxSegments {
		panic("ring: Window or Spares out of range")
	}
	r := &Ring{
		maxEvent: o.MaxEvent,
		window:   o.Window,
		first:    o.FirstSequence,
		segments: make([]segment, o.Window+o.Spares),
	}
	for i := range r.segments {
		s := &r.segments[i]
		s.place = i
		s.data = make([]byte, o.SegmentBytes)
		s.index = make([]word, segmentEvents(o.SegmentBytes))
	}
	s := r.claim()
	f := s.prepare(o.FirstOrdinal&ordinalMax, o.FirstSequence)
	s.state.Store(uint64(makeState(open, f.ordinal())))
	r.active.Store(uint64(f))
	r.oldest.Store(uint64(f))
	return r
}

// segmentEvents is the length of the index plane: full when events average 64
// bytes. Smaller ones seal a segment early.
func segmentEvents(segmentBytes int) int { return min(max(segmentBytes/64, 4), maxEvents) }

// SegmentMemory is the memory of one segment, both planes, in bytes.
func SegmentMemory(segmentBytes int) int {
	return pages(segmentBytes) + pages(8*segmentEvents(segmentBytes))
}

// pages is what the runtime sets aside for a large allocation of n bytes: whole
// pages of 8 KiB.
func pages(n int) int {
	if n <= 32<<10 {
		return n
	}
	return (n + 8191) &^ 8191
}

// MaxEvent is the size in bytes of the largest event accepted.
func (r *Ring) MaxEvent() int { return r.maxEvent }

func (r *Ring) at(f ref) *segment { return &r.segments[f.place()] }

// Publish appends one event, the concatenation of parts, which are copied. It
// never waits for a reader, and does not allocate. When it returns nil, readers
// can see the event.
func (r *Ring) Publish(at Tick, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size == 0 || size > r.MaxEvent() {
		return ErrTooLarge
	}
	s, slot, end, err := r.reserve(size)
	if err != nil {
		return err
	}
	// From here to the commit the slot is a hole. The segment cannot be
	// recycled: it is not fully committed (invariant 1).
	for _, p := range parts {
		end += copy(s.data[end:], p)
	}
	s.index[slot].Store(uint64(makeEntry(at, end))) // from here readers can see the event
	return nil
}

// reserve takes the next slot of the log, and size bytes for it from start.
func (r *Ring) reserve(size int) (s *segment, slot, start int, err error) {
	for {
		// As tail does, inlined by hand (BenchmarkPublish).
		f := ref(r.active.Load())
		s := r.at(f)
		st := state(s.state.Load())
		if !st.of(f.ordinal()) {
			continue // recycled since: active has moved on
		}
		if st.phase() != open {
			if err := r.advance(f, st); err != nil {
				return nil, 0, 0, err
			}
			continue
		}
		slot, start := st.events(), st.bytes()
		if slot == len(s.index) || start+size > len(s.data) { // invariant 5
			s.seal(st)
			continue
		}
		if s.state.CompareAndSwap(uint64(st), uint64(st.reserve(1, size))) {
			return s, slot, start, nil
		}
	}
}

// tail is the segment that takes events, as of st; it sees to it that there is one.
func (r *Ring) tail() (ref, *segment, state, error) {
	for {
		f := ref(r.active.Load())
		s := r.at(f)
		st := state(s.state.Load())
		if !st.of(f.ordinal()) {
			continue
		}
		if st.phase() == open {
			return f, s, st, nil
		}
		if err := r.advance(f, st); err != nil {
			return 0, nil, 0, err
		}
	}
}

// Skip leaves out the next n sequence numbers: readers are told that they
// skipped n events, at this place of the log. It seals the active segment, so it
// is for rare use. It fails with ErrExhausted only, and then left nothing out.
func (r *Ring) Skip(n uint64) error {
	if n == 0 {
		return nil
	}
	r.skipping.Lock()
	defer r.skipping.Unlock()
	for {
		f, s, st, err := r.tail()
		if err != nil {
			return err
		}
		// The gap is stored before the phase that makes it count, and only
		// one Skip runs at a time: a publisher that sees gapped sees this n.
		s.gap.Store(n)
		if s.state.CompareAndSwap(uint64(st), uint64(st.with(gapped))) {
			// Done. If there is no segment to go on in, that is for the
			// next publisher to find out: an error here would say that
			// nothing was left out.
			_ = r.advance(f, st.with(gapped))
			return nil
		}
	}
}

// Stats is what a ring holds at one moment; under load the fields may be a few
// events apart.
type Stats struct {
	Published uint64 // sequences given out since New, those of Skip included
	Retained  uint64 // of these, how many the window still covers
	Bytes     int64  // bytes of the retained events
	Allocated int64  // bytes of memory held by segments, both planes
	Exhausted uint64 // times that no segment could be recycled

	Oldest   Tick // publish time of the oldest retained event
	Anything bool // there is a retained event, so Oldest is valid
}

// Stats walks the window; it costs microseconds and stops nobody.
func (r *Ring) Stats() Stats {
	// The tail before the head: the other way round the tail may have passed
	// the head by the time it is loaded.
	tail, s := r.pinOldest()
	s.unpin()
	head := r.Head()
	st := Stats{
		Published: head.seq - r.first,
		Retained:  head.seq - tail.seq,
		Allocated: int64(len(r.segments) * SegmentMemory(len(r.segments[0].data))),
		Exhausted: r.exhausted.Load(),
	}
	for i := range r.segments {
		if s := &r.segments[i]; s.ref.Load() != 0 {
			st.Bytes += int64(state(s.state.Load()).bytes())
		}
	}
	var b Batch
	if r.Read(&tail, &b, 1); b.Events > 0 {
		st.Oldest, st.Anything = b.At(0), true
	}
	b.Release()
	return st
}
