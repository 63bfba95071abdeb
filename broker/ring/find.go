package ring

// Find returns a cursor whose reader goes on with the event that has this
// sequence: the place at which [Cursor.Sequence] was seq. If the ring does not
// retain that event any more, Read reports how many were skipped since.
//
// It reports false for a sequence at which no reader of this ring can have stood: one
// that is not given out yet, that lies before the ring's first, or that follows an
// event still being written.
//
// It walks the window from its oldest segment, some 10 ns for each.
func (r *Ring) Find(seq uint64) (Cursor, bool) {
	head := r.Head()
	age := head.seq - seq // sequences wrap; ages do not
	if age > head.seq-r.first {
		return Cursor{}, false
	}
	c, s := r.pinOldest()
	// The tail may have passed the head by now: seq is then older than it, too.
	if int64(seq-c.seq) < 0 {
		s.unpin()
		// A ref that no segment has or ever had: the ordinal before this one
		// lived elsewhere. Its reader counts as lapped.
		return Cursor{ref: makeRef((c.ref.ordinal()-1)&ordinalMax, c.ref.place()), seq: seq}, true
	}
	for {
		st := state(s.state.Load())
		if offset := seq - c.seq; offset <= s.nextBase(st)-c.seq {
			ok := c.forward(s, st, int(min(offset, uint64(st.events()))))
			s.unpin()
			c.seq = seq // beyond the slot's in a gap: Read tells what is left of it
			return c, ok
		}
		next := ref(s.next.Load()) // there is one: the head was beyond this segment
		s.unpin()
		if s = r.pin(next); s == nil {
			return r.Find(seq) // lapped on the way
		}
		c = Cursor{ref: next, seq: s.base.Load()}
	}
}

// forward moves a cursor from the start of its segment, which is pinned, by n
// events. It fails if the last of them is not committed: where it ends is not known.
func (c *Cursor) forward(s *segment, st state, n int) bool {
	c.slot = uint32(n)
	switch {
	case n == st.events():
		c.start = uint32(st.bytes())
	case n > 0:
		last := s.entry(n - 1)
		if last == 0 {
			return false
		}
		c.start = uint32(last.end())
	}
	return true
}
