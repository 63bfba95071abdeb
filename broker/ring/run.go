package ring

// A Run is several events for [Ring.PublishRun]. It writes each of them straight
// into the ring, with whatever belongs around it.
type Run interface {
	// Len is how many events there are.
	Len() int

	// Size is the number of bytes of event i; the same whenever it is asked.
	Size(i int) int

	// Put writes event i to b, which is Size(i) bytes long. From the first
	// to the last Put of a reservation all readers wait, so it must not
	// block. It must not panic: it would leave a hole for ever.
	Put(i int, b []byte)
}

// PublishRun appends the events of a run in order, other publishers' events
// perhaps between them. It reserves room for as many as fit, up to the size of
// the largest event, at a time: one compare-and-swap for all of them. It returns how
// many it published: all, or those before the first event that is too large or
// empty or finds no segment, which the error then tells. It does not allocate.
func (r *Ring) PublishRun(at Tick, events Run) (int, error) {
	done, all := 0, events.Len()
	for done < all {
		s, slot, start, n, err := r.reserveRun(events, done, all)
		if err != nil {
			return done, err
		}
		// As in Publish: holes from here, one commit after the other.
		for range n {
			end := start + events.Size(done)
			events.Put(done, s.data[start:end:end])
			s.index[slot].Store(uint64(makeEntry(at, end))) // from here readers can see this event
			done, slot, start = done+1, slot+1, end
		}
	}
	return done, nil
}

// reserveRun takes slots and bytes for the events from first on, n of them.
func (r *Ring) reserveRun(events Run, first, all int) (s *segment, slot, start, n int, err error) {
	for {
		_, s, st, err := r.tail()
		if err != nil {
			return nil, 0, 0, 0, err
		}
		slot, start := st.events(), st.bytes()
		room := len(s.data) - start // invariant 5
		n, size := 0, 0
		for last := min(all-first, len(s.index)-slot); n < last; n++ {
			more := events.Size(first + n)
			if more <= 0 || more > r.MaxEvent() {
				if n == 0 {
					return nil, 0, 0, 0, ErrTooLarge
				}
				break // those before it are fine
			}
			if size+more > room || size+more > r.MaxEvent() {
				break
			}
			size += more
		}
		if n == 0 {
			s.seal(st)
			continue
		}
		if s.state.CompareAndSwap(uint64(st), uint64(st.reserve(n, size))) {
			return s, slot, start, n, nil
		}
	}
}
