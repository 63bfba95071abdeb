package stream

import "github.com/klauspost/compress/flate"

const (
	// windowBytes is how far back deflate may refer (RFC 1951, section 2).
	windowBytes = 32 << 10

	// Blocks of few events are seldom, so more may be spent on each event: the level
	// that looks longer makes them a tenth smaller. Where events are many, the fastest
	// is near enough, as the window gives most of what there is to gain.
	seldomLevel = 7
	manyLevel   = flate.BestSpeed

	// From so many events per block on they are many, and below so few seldom again.
	manyEvents = 8
	fewEvents  = 4
)

// A compressor makes blocks with one window, which goes on from block to block.
type compressor struct {
	w      *flate.Writer
	level  int
	out    sink
	window []byte  // the last of what was written, as far as blocks may refer to it
	each   float64 // events per block, of the last ones
}

type sink struct{ bytes []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.bytes = append(s.bytes, p...)
	return len(p), nil
}

// newCompressor returns one with an empty window.
func newCompressor() *compressor {
	z := &compressor{level: manyLevel, each: (manyEvents + fewEvents) / 2}
	z.w, _ = flate.NewWriter(&z.out, z.level) // fails for levels that there are not
	return z
}

func (z *compressor) write(p []byte) {
	if z.window = append(z.window, p...); len(z.window) > 4*windowBytes {
		z.window = append(z.window[:0], z.window[len(z.window)-windowBytes:]...)
	}
	_, _ = z.w.Write(p) // a sink takes everything
}

// block ends one. The bytes are good until the next write.
func (z *compressor) block(events int) []byte {
	_ = z.w.Flush()
	b := z.out.bytes
	z.out.bytes = z.out.bytes[:0]
	z.each += (float64(events) - z.each) / 8
	switch {
	case z.level == manyLevel && z.each < fewEvents:
		z.change(seldomLevel)
	case z.level == seldomLevel && z.each > manyEvents:
		z.change(manyLevel)
	}
	return b
}

// change goes on at another level, with the same window.
func (z *compressor) change(level int) {
	z.level = level
	z.w, _ = flate.NewWriterDict(&z.out, level, z.window[max(0, len(z.window)-windowBytes):])
}

// forget empties the window.
func (z *compressor) forget() {
	z.window = z.window[:0]
	z.w.ResetDict(&z.out, nil)
}
