package ring

// What the tests need to see and do inside a ring.

const (
	MaxOrdinal  = ordinalMax
	EpochPeriod = epochMask + 1
	MaxTick     = tickMask
)

// Poison makes the ring overwrite recycled memory, so that a reader or publisher
// that still uses it is found out by content, and by the race detector.
func (r *Ring) Poison() { r.poison = true }

// Pins is how many pins readers hold.
func (r *Ring) Pins() (n int64) {
	for i := range r.segments {
		n += r.segments[i].pins.Load()
	}
	return n
}

// Used is how many segments of the ring have held events, or were to.
func (r *Ring) Used() (n int) {
	for i := range r.segments {
		if r.segments[i].state.Load() != 0 {
			n++
		}
	}
	return n
}

// A Reservation is a publish stopped between its reservation and its commit, as
// it is when the publisher is preempted there.
type Reservation struct {
	s           *segment
	slot, start int
	size        int
}

// Reserve is the first half of Publish.
func (r *Ring) Reserve(size int) (Reservation, error) {
	s, slot, start, err := r.reserve(size)
	return Reservation{s, slot, start, size}, err
}

// Bytes is the reserved memory.
func (h Reservation) Bytes() []byte { return h.s.data[h.start : h.start+h.size] }

// Commit is the second half of Publish.
func (h Reservation) Commit(at Tick, event []byte) {
	copy(h.Bytes(), event)
	h.s.index[h.slot].Store(uint64(makeEntry(at, h.start+h.size)))
}

// A Sealed is a publisher stopped after it saw that the active segment is sealed
// and has no successor.
type Sealed struct {
	f  ref
	st state
}

// Seal seals the active segment and stops there.
func (r *Ring) Seal() Sealed {
	f := ref(r.active.Load())
	s := r.at(f)
	st := state(s.state.Load()).with(sealed)
	s.state.Store(uint64(st))
	return Sealed{f, st}
}

// Link goes on from there, too late perhaps.
func (r *Ring) Link(at Sealed) bool { return r.link(at.f, at.st) }

// Advance does all that a publisher does from there.
func (r *Ring) Advance(at Sealed) error { return r.advance(at.f, at.st) }

// Epochs is the epoch of each segment's state.
func (r *Ring) Epochs() []uint64 {
	var all []uint64
	for i := range r.segments {
		all = append(all, state(r.segments[i].state.Load()).epoch())
	}
	return all
}

// Claim takes all free segments, as publishers do that are preempted while they
// replace a segment; what it returns gives them back.
func (r *Ring) Claim() (release func()) {
	var taken []*segment
	for s := r.claim(); s != nil; s = r.claim() {
		taken = append(taken, s)
	}
	return func() {
		for _, s := range taken {
			s.release()
		}
	}
}

// Open is how many segments take events; a log has one that does, or none.
func (r *Ring) Open() (n int) {
	for i := range r.segments {
		if state(r.segments[i].state.Load()).phase() == open {
			n++
		}
	}
	return n
}
