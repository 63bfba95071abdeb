package ring

// A segment is one block of the log. It is reused: each life has a new ordinal.
type segment struct {
	// The word that publishers contend on has its cache line to itself, away
	// from the pins that readers write (BenchmarkPublishWithReaders).
	state word // a state
	_     [56]byte

	pins counter // readers that hold this segment
	_    [56]byte

	ref     word    // this life's ref; 0 when retired
	next    word    // ref of the successor, or unlinked(ordinal)
	base    word    // sequence of the first event
	gap     word    // sequences lost after the last event; counts only in phase gapped
	claimed boolean // in use, or being checked for reuse

	// Fixed after New.
	place int // in Ring.segments
	data  []byte
	index []word // entries

	_ [32]byte // to four cache lines: the neighbour's state starts a fresh one
}

// fullyCommitted reports whether every reserved slot is filled. The caller has
// claimed the segment: it was sealed before it was retired, so no slot is added.
func (s *segment) fullyCommitted() bool {
	n := state(s.state.Load()).events()
	for k := range s.index[:n] {
		if s.index[k].Load() == 0 {
			return false
		}
	}
	return true
}

// entry loads the index word of slot k.
func (s *segment) entry(k int) entry { return entry(s.index[k].Load()) }

// nextBase is the sequence after the segment's last one, its gap included, as of st.
func (s *segment) nextBase(st state) uint64 {
	n := s.base.Load() + uint64(st.events())
	if st.phase() == gapped {
		n += s.gap.Load()
	}
	return n
}

// seal ends the segment, whose state was st, unless another publisher was faster.
func (s *segment) seal(st state) {
	s.state.CompareAndSwap(uint64(st), uint64(st.with(sealed)))
}

// claim takes a segment that nobody uses any more, or nil if there is none.
func (r *Ring) claim() *segment {
	for i := range r.segments {
		s := &r.segments[i]
		if s.claimed.Load() || !s.claimed.CompareAndSwap(false, true) {
			continue
		}
		// Invariant 4: the ref was cleared before claimed became false, so a
		// reader that pins from here on sees that and lets go.
		// Invariant 1: unpinned and fully committed.
		if s.pins.Load() != 0 || !s.fullyCommitted() {
			s.claimed.Store(false)
			continue
		}
		if r.poison {
			for i := range s.data {
				s.data[i] = 0xDB
			}
		}
		// Emptied in both planes' books, even if the claimant gives it back
		// unused. Still sealed, not closed: a publisher that slept since it
		// followed the link to this life would open it (invariant 7).
		st := state(s.state.Load())
		clear(s.index[:st.events()])
		s.state.Store(uint64(makeState(sealed, st.epoch())))
		return s
	}
	return nil
}

// prepare makes a claimed segment ready to be linked: closed and empty. The
// order does not matter to anyone, nobody can reach it before the link.
func (s *segment) prepare(ordinal, base uint64) ref {
	f := makeRef(ordinal, s.place)
	s.base.Store(base)
	s.next.Store(uint64(unlinked(ordinal)))
	s.state.Store(uint64(makeState(closed, ordinal)))
	s.ref.Store(uint64(f))
	return f
}

// release gives up a segment that was claimed, or just retired.
func (s *segment) release() {
	s.ref.Store(0)         // first: see invariant 4
	s.claimed.Store(false) // from here on it may be claimed
}

// advance makes sure that the sealed segment at f has an open successor, that
// the successor is active, and that the window is not too long. Any number of
// publishers may do so at once. It fails only if no segment can be claimed.
func (r *Ring) advance(f ref, st state) error {
	s := r.at(f)
	for try := 0; ref(s.next.Load()) == unlinked(f.ordinal()); try++ {
		if r.link(f, st) {
			break
		}
		if try == patience {
			r.exhausted.Add(1)
			return ErrExhausted
		}
		// All spares are pinned, or held by publishers that are preempted.
		// Rather give up the oldest events than the new one. If those are
		// pinned too: publishers that lose the race for the link give a
		// segment back, so wait, but not for long.
		r.retire(minWindow)
		giveWay()
	}
	next := ref(s.next.Load())
	if !next.follows(f.ordinal()) {
		return nil // s was recycled meanwhile: the ring is far ahead
	}
	// Opened before it becomes active, so active always takes events or is
	// sealed. Too late, it fails: nothing is closed twice in a life (invariant 7).
	shut := makeState(closed, next.ordinal())
	r.at(next).state.CompareAndSwap(uint64(shut), uint64(shut.with(open)))
	r.active.CompareAndSwap(uint64(f), uint64(next))
	for r.retire(r.window) {
	}
	return nil
}

// minWindow is what the window may shrink to while there is a shortage.
const minWindow = 2

// link gives the sealed segment at f a successor, unless it has one already. It
// reports false if no segment can be claimed.
func (r *Ring) link(f ref, st state) bool {
	fresh := r.claim()
	if fresh == nil {
		return false
	}
	// A look at the link while fresh is ours (invariant 8). If there is a
	// successor by now, fresh may have been it and been retired since; prepared
	// once more, it would take readers of that life in.
	s := r.at(f)
	if ref(s.next.Load()) != unlinked(f.ordinal()) {
		fresh.release()
		return true
	}
	ordinal := (f.ordinal() + 1) & ordinalMax
	mine := fresh.prepare(ordinal, s.nextBase(st)) // invariant 3
	// Fails if another publisher was faster, or if s has been recycled since:
	// its link then carries a later ordinal (invariant 7).
	if !s.next.CompareAndSwap(uint64(unlinked(f.ordinal())), uint64(mine)) {
		fresh.release()
	}
	return true
}

// retire moves the oldest segment out of the window if the window is longer than
// that, and reports whether it was.
func (r *Ring) retire(window int) bool {
	for {
		o, a := ref(r.oldest.Load()), ref(r.active.Load())
		if (a.ordinal()-o.ordinal())&ordinalMax < uint64(window) {
			return false
		}
		s := r.at(o)
		next := ref(s.next.Load())
		if !next.follows(o.ordinal()) {
			continue // somebody else retired it
		}
		// The one that moves oldest retires the segment.
		if r.oldest.CompareAndSwap(uint64(o), uint64(next)) {
			s.release()
			return true
		}
	}
}
