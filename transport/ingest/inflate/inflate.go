// Package inflate decompresses bodies of requests, within bounds.
//
// A [Pool] has a few slots, each with its decoders and a buffer. Inflating is work
// for a processor and waits for nothing, so more slots than processors would not
// make it faster. They bound what all bodies together can take: a body costs at
// most the limit in memory, and at most slots × limit is in use. A body that finds no
// slot free waits for one. What is in use is taken from a [Budget] besides.
//
// Inflation ends at the limit while it happens, so a bomb costs its limit and no
// more. In steady state nothing is allocated.
package inflate

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Coding is a content coding (RFC 9110, section 8.4.1).
type Coding uint8

const (
	Identity Coding = iota
	Gzip
	Zstd
)

var names = [...]string{"identity", "gzip", "zstd"}

func (c Coding) String() string { return names[c] }

// Accepted is the value of Accept-Encoding that says what is understood.
const Accepted = "gzip, zstd, identity"

// Parse reads the value of Content-Encoding. It knows one coding only: several, or
// another, are not ok.
func Parse(value []byte) (c Coding, ok bool) {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0, bytes.EqualFold(value, []byte("identity")):
		return Identity, true
	case bytes.EqualFold(value, []byte("gzip")), bytes.EqualFold(value, []byte("x-gzip")): // RFC 9110, section 8.4.1.3
		return Gzip, true
	case bytes.EqualFold(value, []byte("zstd")):
		return Zstd, true
	}
	return Identity, false
}

var (
	// ErrTooLarge is returned for a body that becomes larger than the limit.
	ErrTooLarge = errors.New("inflated body is larger than the limit")

	// ErrCorrupt is returned for what is not the coding that it claims to be, is cut
	// off, has a wrong checksum, is followed by something else, or needs a window of
	// more than 8 MiB (RFC 9659).
	ErrCorrupt = errors.New("body is not valid in its content coding")

	// ErrNoRoom is returned for a body for which the budget has no room.
	ErrNoRoom = errors.New("no room for another inflated body")
)

// A Budget is memory that is shared with others.
type Budget interface {
	Take(bytes int) bool
	Give(bytes int)
}

const (
	maxWindow = 8 << 20   // RFC 9659, section 3
	maxBlock  = 128 << 10 // RFC 8878, section 3.1.1.2.4
	firstSize = 64 << 10  // of a buffer
	smallSize = 256 << 10 // buffers up to this size are always kept
	maxKept   = 8 << 20   // bytes of larger buffers that a pool keeps; there are two
)

type unbounded struct{}

func (unbounded) Take(int) bool { return true }
func (unbounded) Give(int)      {}

// A Pool inflates bodies.
type Pool struct {
	limit  int // the largest of any body
	budget Budget
	slots  chan *Body
	kept   atomic.Int64 // bytes of the large buffers that are kept
}

// New returns a pool for bodies that have up to limit bytes when inflated, or less. What they
// need is taken from the budget; nil: it is not bounded.
func New(limit int, budget Budget) *Pool {
	if budget == nil {
		budget = unbounded{}
	}
	n := runtime.GOMAXPROCS(0)
	p := &Pool{limit: limit, budget: budget, slots: make(chan *Body, n)}
	for range n {
		p.slots <- &Body{pool: p}
	}
	return p
}

// A Body is an inflated body. It holds a slot of its pool until it is released.
type Body struct {
	Bytes []byte

	pool   *Pool
	limit  int // of the body that is inflated
	buf    []byte
	took   int // from the budget: the size of buf
	source bytes.Reader
	gzip   gzip.Reader
	zstd   *zstd.Decoder // nil until the first body of that coding
}

// Inflate decompresses a body, which is borrowed until return, to at most limit bytes. The
// result must be released; without one there is nothing to release.
func (p *Pool) Inflate(c Coding, body []byte, limit int) (*Body, error) {
	b := <-p.slots
	b.limit = min(limit, p.limit)
	p.kept.Add(-large(b.buf))
	whole := false
	defer func() { // also if a decoder panics
		if b.source.Reset(nil); !whole {
			b.Release()
		}
	}()
	var err error
	if !b.resize(cap(b.buf)) {
		b.buf = nil // a smaller one may do
	}
	switch {
	case len(body) == 0: // neither a member nor a frame
		err = ErrCorrupt
	case c == Gzip:
		err = b.inflateGzip(body)
	case c == Zstd:
		err = b.inflateZstd(body)
	case len(body) > b.limit:
		err = ErrTooLarge
	default:
		for b.buf = b.buf[:0]; cap(b.buf) < len(body) && err == nil; {
			err = b.grow()
		}
		if err == nil {
			b.buf = append(b.buf, body...)
		}
	}
	if err != nil {
		return nil, err
	}
	b.Bytes, whole = b.buf, true
	return b, nil
}

// Release gives the slot and its buffer back.
func (b *Body) Release() {
	b.Bytes = nil
	b.pool.budget.Give(b.took)
	b.took = 0
	if n := large(b.buf); n > 0 && b.pool.kept.Add(n) > maxKept {
		b.pool.kept.Add(-n)
		b.buf = nil
	}
	b.pool.slots <- b
}

// large is what a buffer counts against maxKept.
func large(buf []byte) int64 {
	if cap(buf) <= smallSize {
		return 0
	}
	return int64(cap(buf))
}

// inflateGzip reads all members (RFC 1952, section 2.2).
func (b *Body) inflateGzip(body []byte) error {
	b.source.Reset(body)
	if err := b.gzip.Reset(&b.source); err != nil {
		return ErrCorrupt
	}
	b.buf = b.buf[:0]
	for {
		if len(b.buf) == cap(b.buf) {
			if len(b.buf) > b.limit {
				return ErrTooLarge
			}
			if err := b.grow(); err != nil {
				return err
			}
		}
		n, err := b.gzip.Read(b.buf[len(b.buf):min(cap(b.buf), b.limit+1)])
		b.buf = b.buf[:len(b.buf)+n]
		switch {
		case len(b.buf) > b.limit:
			return ErrTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return ErrCorrupt
		}
	}
}

// inflateZstd reads all frames (RFC 8878, section 3.1). The decoder writes as far
// as the buffer reaches. If a block may not have had room the buffer grows, and the
// decoder begins again, which happens a few times in the life of a buffer. Behind the
// limit there is room for a whole block, so that one that does not fit is behind it.
func (b *Body) inflateZstd(body []byte) error {
	if b.zstd == nil {
		var err error
		b.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecoderMaxMemory(uint64(max(maxWindow, b.pool.limit+maxBlock))), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(err) // the options are constant
		}
	}
	for {
		if cap(b.buf) < firstSize {
			if err := b.grow(); err != nil {
				return err
			}
		}
		out, err := b.zstd.DecodeAll(body, b.buf[:0])
		switch {
		case len(out) > b.limit:
			return ErrTooLarge
		case err == nil:
			b.buf = b.buf[:len(out)]
			return nil
		case cap(b.buf) >= b.most():
			if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
				return ErrTooLarge
			}
			return ErrCorrupt
		case len(out)+maxBlock <= cap(b.buf) && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return ErrCorrupt
		}
		if err := b.grow(); err != nil {
			return err
		}
	}
}

// most is how large the buffer may become.
func (b *Body) most() int { return b.limit + maxBlock }

// grow makes room.
func (b *Body) grow() error {
	size := min(max(firstSize, 4*cap(b.buf)), b.most())
	if !b.resize(size) {
		return ErrNoRoom
	}
	buf := make([]byte, len(b.buf), size)
	copy(buf, b.buf)
	b.buf = buf
	return nil
}

// resize has the body hold so many bytes of the budget, if there is room.
func (b *Body) resize(size int) bool {
	if size > b.took && !b.pool.budget.Take(size-b.took) {
		return false
	}
	b.took = max(b.took, size)
	return true
}
