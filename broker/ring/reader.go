package ring

import "sort"

// A Cursor is a reader's place in the log: the event it wants next. It is a
// plain value; copies move independently.
type Cursor struct {
	ref   ref
	slot  uint32
	start uint32 // offset of the slot's bytes: the end of the slot before it
	seq   uint64
}

// Sequence is the sequence number of the event that the cursor wants next. It
// wraps: compare with [Cursor.Behind].
func (c Cursor) Sequence() uint64 { return c.seq }

// Behind is by how many events c is behind d; negative when it is ahead.
func (c Cursor) Behind(d Cursor) int64 { return int64(d.seq - c.seq) }

// Head returns a cursor behind everything reserved so far: its reader gets all
// that is published from now on, and nothing older.
func (r *Ring) Head() Cursor {
	for {
		f := ref(r.active.Load())
		s := r.at(f)
		st := state(s.state.Load())
		seq := s.nextBase(st)
		// The ref last: if it still stands, all of this belongs to its life.
		if ref(s.ref.Load()) == f {
			return Cursor{ref: f, slot: uint32(st.events()), start: uint32(st.bytes()), seq: seq}
		}
	}
}

// pin holds the segment that f names, or returns nil if that life of it is over.
func (r *Ring) pin(f ref) *segment {
	s := r.at(f)
	s.pins.Add(1)
	if ref(s.ref.Load()) == f { // after the pin: invariant 4
		return s
	}
	s.unpin()
	return nil
}

func (s *segment) unpin() { s.pins.Add(-1) }

// pinOldest holds the oldest segment of the window and returns its start.
func (r *Ring) pinOldest() (Cursor, *segment) {
	for {
		f := ref(r.oldest.Load())
		if s := r.pin(f); s != nil {
			return Cursor{ref: f, seq: s.base.Load()}, s
		}
	}
}

// A Batch is a run of events that lie back to back in one segment. The segment
// is pinned, and Bytes and the methods may be used, until Release.
type Batch struct {
	// Skipped is how many events were lost between the cursor's old place
	// and the first event of the batch; they come before it. A batch may
	// report skipped events and hold none.
	Skipped uint64

	// Bytes are the events; borrowed from the ring until Release.
	Bytes []byte

	// Events is how many there are.
	Events int

	from Cursor // of the first event
	seg  *segment
}

// Read takes the committed events at c in order, up to the first hole, the end
// of the segment or about maxBytes (one event at least), and moves c behind
// them. It reports false if there is nothing to read and nothing was skipped.
// After true the caller must call [Batch.Release].
func (r *Ring) Read(c *Cursor, b *Batch, maxBytes int) bool {
	*b = Batch{}
	s := r.pin(c.ref)
	for {
		if s == nil { // lapped
			var oldest Cursor
			oldest, s = r.pinOldest()
			b.Skipped += oldest.seq - c.seq
			*c = oldest
		}
		// The index tells where to stop; the state would too, but loading it
		// takes its cache line from the publishers (BenchmarkPublishWithReaders).
		slot, start := int(c.slot), int(c.start)
		k, end := slot, start
		for index := s.index; k < len(index) && (k == slot || end-start < maxBytes); k++ {
			e := entry(index[k].Load())
			if e == 0 {
				break // a hole, or the end
			}
			end = e.end()
		}
		b.from = *c
		if k > slot {
			b.seg = s
			b.Events = k - slot
			b.Bytes = s.data[start:end:end] // invariant 2
			*c = Cursor{ref: c.ref, slot: uint32(k), start: uint32(end), seq: c.seq + uint64(b.Events)}
			return true
		}
		// A segment that has a successor is sealed: its state is final.
		next := ref(s.next.Load())
		if !next.follows(c.ref.ordinal()) || k < state(s.state.Load()).events() {
			s.unpin()
			return b.Skipped > 0
		}
		// The segment is read to its end: go on in its successor. Unpin
		// first (invariant 6); if the successor is gone by then, lapped.
		s.unpin()
		if s = r.pin(next); s != nil {
			base := s.base.Load()
			b.Skipped += base - c.seq // a gap (invariant 3)
			*c = Cursor{ref: next, seq: base}
		}
	}
}

// Pending reports whether Read would find something at c; a parked reader's
// second look. It allocates nothing and pins only for a moment.
func (r *Ring) Pending(c Cursor) bool {
	var b Batch
	found := r.Read(&c, &b, 1) // moves this copy of the cursor only
	b.Release()
	return found
}

// Release unpins the batch's segment; Bytes must not be used any more.
// Releasing twice, or a batch without events, does nothing.
func (b *Batch) Release() {
	if b.seg != nil {
		b.seg.unpin()
		b.seg, b.Bytes = nil, nil
	}
}

// end is where event i of the batch ends within Bytes.
func (b *Batch) end(i int) int {
	return b.seg.entry(int(b.from.slot)+i).end() - int(b.from.start)
}

// At is when event i of the batch was published.
func (b *Batch) At(i int) Tick { return b.seg.entry(int(b.from.slot) + i).tick() }

// Event is event i of the batch; borrowed until Release.
func (b *Batch) Event(i int) []byte {
	start := 0
	if i > 0 {
		start = b.end(i - 1)
	}
	return b.Bytes[start:b.end(i)]
}

// Cut tells where the first n bytes of the batch end: after how many whole
// events, and how many bytes of the next one are among them.
func (b *Batch) Cut(n int) (events, partial int) {
	events = sort.Search(b.Events, func(i int) bool { return b.end(i) > n })
	if events > 0 {
		n -= b.end(events - 1)
	}
	return events, n
}

// Cursor is the place after the first n events of the batch.
func (b *Batch) Cursor(n int) Cursor {
	c := b.from
	if n > 0 {
		c.slot += uint32(n)
		c.start += uint32(b.end(n - 1))
		c.seq += uint64(n)
	}
	return c
}

// Truncate keeps the first n events of the batch.
func (b *Batch) Truncate(n int) {
	if n < b.Events {
		b.Events = n
		if n == 0 {
			b.Bytes = b.Bytes[:0]
		} else {
			b.Bytes = b.Bytes[:b.end(n-1)]
		}
	}
}

// Part is the events from one on up to another, as a batch of its own. It is good until
// Release of b, and must not be released itself.
func (b *Batch) Part(from, to int) Batch {
	if to == 0 {
		return Batch{from: b.from}
	}
	start := 0
	if from > 0 {
		start = b.end(from - 1)
	}
	return Batch{Bytes: b.Bytes[start:b.end(to-1)], Events: to - from, from: b.Cursor(from), seg: b.seg}
}
