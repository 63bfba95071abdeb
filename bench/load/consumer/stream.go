package consumer

import (
	"bytes"
	"fmt"

	"event-dispatcher/bench/load/clock"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/ledger"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Role is what a consumer does with its stream.
type Role uint8

const (
	Counting  Role = iota // counts bytes inside the kernel
	Sampling              // reads everything, measures latency
	Stalling              // stops reading for a while
	Slow                  // reads so many bytes per second
	Returning             // leaves and comes back, again and again
	Opaque                // counts bytes that are not events: a compressed stream
)

type state uint8

const (
	opening  state = iota // the answer's head is incomplete
	reading               // parses
	counting              // discards and counts
	ended
)

// outer is a framing around a stream.
type outer interface {
	// strip moves the content of b to its front and returns its length.
	strip(b []byte) (int, error)
}

// stream is one open response, or one that has ended.
type stream struct {
	index int32 // in its loop
	role  Role
	fd    int
	state state

	parser  parser
	wire    string
	chunked bool   // the body comes in chunks, each of whole frames so far
	outer   outer  // takes away what is around the stream, and ends elsewhere than its frames; nil: nothing
	rest    []byte // beginning of a frame
	frame   int    // length of every frame, when they are all alike
	pending bool   // news came while the stream was not read
	paused  bool
	credit  float64 // bytes a slow stream may read
	last    int64   // when bytes last came
	leaveAt int64   // when a returning stream goes; 0: not yet decided
	endErr  error

	entry  ledger.Entry
	tracks map[uint32]*track
	events uint64 // parsed
	framed uint64 // bytes of their frames, and of the chunks around them
	// Bytes of frames that were only counted.
	discarded uint64
	faults    Faults
}

// Faults counts what must not happen.
type Faults struct {
	Damaged    uint64 `json:"damaged"`      // bytes changed, or not an event of this generator
	Foreign    uint64 `json:"foreign"`      // events of another run
	OutOfOrder uint64 `json:"out_of_order"` // per producer
	Duplicates uint64 `json:"duplicates"`
	// Streams given up because of what they said, or whose bytes do not add up.
	Framing uint64 `json:"framing"`
}

// Add adds g to f.
func (f *Faults) Add(g Faults) {
	f.Damaged += g.Damaged
	f.Foreign += g.Foreign
	f.OutOfOrder += g.OutOfOrder
	f.Duplicates += g.Duplicates
	f.Framing += g.Framing
}

// Total is the sum of all kinds.
func (f Faults) Total() uint64 {
	return f.Damaged + f.Foreign + f.OutOfOrder + f.Duplicates + f.Framing
}

// reception is what the parser's handler needs while it works through one
// read of one stream.
type reception struct {
	*stream
	run      uint32
	envelope *event.Envelope
	now      int64
	around   int // bytes of the chunk around what is parsed
	window   clock.Window
	latency  *hdrhistogram.Histogram // nil unless this stream measures it
}

func (r *reception) event(data []byte, frame int) {
	data, ours := r.envelope.Open(data)
	if !ours {
		return
	}
	frame += r.around
	r.events++
	r.framed += uint64(frame)
	if r.frame == 0 {
		r.frame = frame
	}
	tag, ok := event.Parse(data)
	if ok && tag.Run != r.run {
		r.faults.Foreign++
		r.events--
		r.framed -= uint64(frame)
		return
	}
	if !ok || !tag.Intact(data) {
		r.faults.Damaged++
		return
	}
	t := r.tracks[tag.Producer]
	if t == nil {
		t = new(track)
		if r.tracks == nil {
			r.tracks = make(map[uint32]*track)
		}
		r.tracks[tag.Producer] = t
	}
	v, missing := t.take(tag.Sequence)
	r.entry.Missing += uint64(missing)
	switch v {
	case outOfOrder:
		r.faults.OutOfOrder++
	case duplicate:
		r.faults.Duplicates++
	}
	if r.latency != nil && r.window.Holds(tag.Intended, r.now) {
		_ = r.latency.RecordValue(r.now - tag.Intended)
	}
}

func (r *reception) skipped(n uint64) { r.entry.Skipped += n }

// read works through b, the rest of last time and what has come since.
func (r *reception) read(b []byte) error {
	if r.state == opening && r.outer == nil {
		size, chunked, err := parseHead(b, r.wire != SSE)
		if err != nil {
			return err
		}
		if size == 0 {
			r.rest = append(r.rest[:0], b...)
			return nil
		}
		b = b[size:]
		if r.wire == NATS {
			return r.subscribe(b)
		}
		r.state, r.chunked = reading, chunked
	}
	if r.role == Opaque {
		r.state = counting
		r.discarded += uint64(len(b))
		return nil
	}
	switch r.wire {
	case WebSocket:
		return r.readFrames(b)
	case NATS:
		return r.readNATS(b)
	}
	if r.chunked {
		return r.readChunks(b)
	}
	return r.parse(b)
}

// parse works through what is no chunk any more.
func (r *reception) parse(b []byte) error {
	used, err := r.parser.parse(b, r)
	if err != nil {
		return fmt.Errorf("%w: %.60q", err, b[used:])
	}
	r.rest = append(r.rest[:0], b[used:]...)
	return nil
}

// frameChunk is the size line of a chunk that holds one frame: always so long.
// An HTTP library makes chunks of what it is given in one go, which may be
// several frames the next time, and writes no zeros in front.
const frameChunk = "000000\r\n"

// readChunks works through whole chunks. A dispatcher that makes a chunk of each
// frame can be counted by bytes, as without chunks; another's are taken away.
func (r *reception) readChunks(b []byte) error {
	for {
		head, body, ok, err := cutChunk(b)
		if err != nil {
			return err
		}
		if !ok {
			r.rest = append(r.rest[:0], b...)
			return nil
		}
		used := 0
		if one := head == len(frameChunk) && bytes.Count(body, []byte("\n\n")) <= 1; one {
			r.around = head + len("\r\n")
			used, err = r.parser.parse(body, r)
			r.around = 0
		}
		if err != nil {
			return fmt.Errorf("%w: %.60q", err, body[used:])
		}
		if used < len(body) {
			r.chunked, r.outer = false, new(dechunker)
			n, err := r.outer.strip(b)
			if err != nil {
				return err
			}
			return r.parse(b[used:n])
		}
		b = b[head+len(body)+len("\r\n"):]
	}
}

// count turns from reading to counting: from now on bytes are bytes of frames.
func (s *stream) count() {
	s.state = counting
	s.discarded += uint64(len(s.rest))
	s.rest = nil
	s.tracks = nil // sequences pass unseen from here
}

// between reports whether a counting stream that has been silent for a while
// stands between two frames, as far as can be known.
func (s *stream) between(uniform bool) bool {
	return !uniform || s.discarded%uint64(s.frame) == 0
}

// alone reports whether the stream's account can be closed by itself: what it
// did not parse, it counted in frames of one length.
func (s *stream) alone(uniform bool) bool { return s.discarded == 0 || uniform }

// close turns the stream's state into the entry of the ledger; infer explains
// what remains.
func (s *stream) close() {
	s.entry.Received = s.events
	if s.discarded > 0 {
		s.entry.Received += s.discarded / uint64(s.frame)
	}
}

// closeLike closes a stream whose frames differ in length against one that
// parsed all of them: the same bytes are the same events.
func (s *stream) closeLike(like *stream) {
	if like != nil && s.framed+s.discarded == like.framed {
		s.entry.Received = like.events
		return
	}
	s.faults.Framing++
	s.entry.Received = s.events
	if like != nil && like.framed > 0 {
		s.entry.Received += s.discarded * like.events / like.framed
	}
}

func (r Role) String() string {
	return [...]string{"counting", "sampling", "stalling", "slow", "returning", "opaque"}[r]
}
