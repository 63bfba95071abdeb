package ring

import "time"

// A ref names a segment at one point of the ring's life: its ordinal in the log
// (48 bits, wrapping) and its place in the segment table plus one (16 bits). The
// zero ref names nothing; a ref without a place is the link of a segment that
// has no successor yet.
type ref uint64

const (
	placeBits  = 16
	placeMask  = 1<<placeBits - 1
	ordinalMax = 1<<(64-placeBits) - 1
)

func makeRef(ordinal uint64, place int) ref { return ref(ordinal<<placeBits | uint64(place+1)) }

// unlinked is the link of the segment with this ordinal until it has a successor.
func unlinked(ordinal uint64) ref { return ref(ordinal << placeBits) }

func (f ref) ordinal() uint64 { return uint64(f) >> placeBits }
func (f ref) place() int      { return int(f&placeMask) - 1 }

// follows reports whether f names the segment right after the one with ordinal prev.
func (f ref) follows(prev uint64) bool {
	return f&placeMask != 0 && f.ordinal() == (prev+1)&ordinalMax
}

// A state is the word that reservations are made on:
//
//	phase (2 bits) | epoch (19) | events (18) | bytes (25)
type state uint64

const (
	bytesBits  = 25
	eventsBits = 18
	epochBits  = 19

	bytesMask  = 1<<bytesBits - 1
	eventsMask = 1<<eventsBits - 1
	epochMask  = 1<<epochBits - 1

	epochShift = bytesBits + eventsBits
	phaseShift = epochShift + epochBits
)

type phase uint64

const (
	closed phase = iota // prepared, perhaps linked, takes no events yet
	open                // takes events
	sealed              // takes no more events
	gapped              // sealed by Skip: the segment's gap counts
)

func makeState(p phase, ordinal uint64) state {
	return state(uint64(p)<<phaseShift | (ordinal&epochMask)<<epochShift)
}

func (s state) phase() phase { return phase(s >> phaseShift) }
func (s state) epoch() uint64 {
	return uint64(s) >> epochShift & epochMask
}
func (s state) events() int { return int(s >> bytesBits & eventsMask) }
func (s state) bytes() int  { return int(s & bytesMask) }

// reserve is the state with that many more events and bytes; both fit.
func (s state) reserve(events, bytes int) state {
	return s + state(events)<<bytesBits + state(bytes)
}

func (s state) with(p phase) state {
	return s&^(3<<phaseShift) | state(p)<<phaseShift
}

// of reports whether the state belongs to the segment's life with this ordinal
// (invariant 7).
func (s state) of(ordinal uint64) bool { return s.epoch() == ordinal&epochMask }

// An entry is an event's word in the index plane: when it was published and where
// it ends. The end is stored less one, so that the end of a full segment of 16 MiB
// fits. The top bit tells a committed entry from an empty one.
//
//	committed (1 bit) | tick (39) | end-1 (24)
type entry uint64

const (
	endBits      = 24
	tickBits     = 39
	tickMask     = 1<<tickBits - 1
	committedBit = 1 << 63
)

func makeEntry(at Tick, end int) entry {
	return entry(committedBit | (uint64(at)&tickMask)<<endBits | uint64(end-1))
}

func (e entry) end() int   { return int(e&(1<<endBits-1)) + 1 }
func (e entry) tick() Tick { return Tick(e >> endBits & tickMask) }

// A Tick is a publish time: units of 2^14 ns (16.4 µs) since a moment of the
// caller's choice. 39 bits are kept, which wrap after 104 days; use [Tick.Since].
type Tick uint64

// TickShift turns nanoseconds into ticks: ns >> TickShift.
const TickShift = 14

// Since is how many ticks after earlier t is, right across the wrap. It is 0 if t
// is before earlier, as it can be when two goroutines look at the clock; times
// more than 52 days apart are taken for that.
func (t Tick) Since(earlier Tick) Tick {
	if d := (t - earlier) & tickMask; d <= tickMask/2 {
		return d
	}
	return 0
}

// Duration is the tick count as a duration.
func (t Tick) Duration() time.Duration { return time.Duration(t << TickShift) }
