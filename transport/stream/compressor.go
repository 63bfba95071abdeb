package stream

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// windowBytes is how far back deflate may refer (RFC 1951, section 2).
	windowBytes = 32 << 10

	// Blocks of few events are seldom, so more may be spent on each event: the level
	// that looks longer makes them a tenth smaller. Where events are many, the fastest
	// is near enough, as the window gives most of what there is to gain.
	seldomLevel = 7
	manyLevel   = flate.BestSpeed

	// From so many events per block on they are many, and below so few seldom again. A
	// large one counts as one for each eventBytes.
	manyEvents = 8
	fewEvents  = 4
	eventBytes = 2 << 10

	// hastyLevel is for what there is no time to compress.
	hastyLevel = flate.NoCompression
)

// A compressor makes blocks with one window, which goes on from block to block.
type compressor struct {
	w      *flate.Writer // nil until something is written
	level  int
	out    sink
	window []byte  // the last of what was written, as far as blocks may refer to it
	each   float64 // events per block, of the last ones
	since  int     // bytes that were written since the last block
}

type sink struct{ bytes []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.bytes = append(s.bytes, p...)
	return len(p), nil
}

// newCompressor returns one with an empty window.
func newCompressor() *compressor {
	return &compressor{level: manyLevel, each: (manyEvents + fewEvents) / 2}
}

// writers have the memory of compressors, by level: most of a MiB each. Somebody who opens
// and closes streams all the time has the same ones used again.
var writers = map[int]*sync.Pool{seldomLevel: new(sync.Pool), manyLevel: new(sync.Pool), hastyLevel: new(sync.Pool)}

// open has z write at its level, with what a window has.
func (z *compressor) open(window []byte) {
	if w, ok := writers[z.level].Get().(*flate.Writer); ok {
		z.w = w
		z.w.ResetDict(&z.out, window)
		return
	}
	z.w, _ = flate.NewWriterDict(&z.out, z.level, window) // fails for levels that there are not
}

// release gives back the memory of a compressor that is not used any more, or at another
// level.
func (z *compressor) release() {
	if z.w != nil {
		z.w.ResetDict(nil, nil) // it keeps nothing of ours
		writers[z.level].Put(z.w)
		z.w = nil
	}
}

func (z *compressor) write(p []byte) {
	if z.w == nil {
		z.open(nil)
	}
	if z.window = append(z.window, p[max(0, len(p)-windowBytes):]...); len(z.window) > 4*windowBytes {
		z.window = append(z.window[:0], z.window[len(z.window)-windowBytes:]...)
	}
	_, _ = z.w.Write(p) // a sink takes everything
	z.since += len(p)
}

// hurry has what is written go out as it is, until calm.
func (z *compressor) hurry() {
	if z.level != hastyLevel {
		if z.w != nil {
			_ = z.w.Flush()
		}
		z.change(hastyLevel)
	}
}

// calm ends hurry, between two blocks.
func (z *compressor) calm() {
	if z.level == hastyLevel {
		z.change(manyLevel)
	}
}

// block ends one. The bytes are good until the next write.
func (z *compressor) block(events int) []byte {
	_ = z.w.Flush()
	b := z.out.bytes
	if z.out.bytes = z.out.bytes[:0]; cap(b) > 4*windowBytes {
		z.out.bytes = nil
	}
	z.each += (float64(max(events, z.since/eventBytes)) - z.each) / 8
	z.since = 0
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
	z.release()
	z.level = level
	z.open(z.window[max(0, len(z.window)-windowBytes):])
}

// forget empties the window.
func (z *compressor) forget() {
	z.window = z.window[:0]
	if z.w != nil {
		z.w.ResetDict(&z.out, nil)
	}
}
