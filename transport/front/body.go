package front

import (
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
)

// The HTTP server reads the first bytes of a body before it calls the handler, so
// small bodies are there; of the others, the handler reads the rest. It allocates
// what is declared, up to this much, before a byte has come.
const prefetched = 8 << 10

// Bodies is the budget for bodies that are larger: what a stranger declares costs
// nothing, what he sends costs its size until the answer, all connections together.
type Bodies struct {
	max  int64
	held atomic.Int64
	most atomic.Int64 // since memory was given back
}

// NewBodies returns a budget of so many bytes.
func NewBodies(max int) *Bodies { return &Bodies{max: int64(max)} }

// Take reserves n bytes, and reports whether they were there.
func (b *Bodies) Take(n int) bool {
	held := b.held.Add(int64(n))
	if held > b.max {
		b.held.Add(-int64(n))
		return false
	}
	for most := b.most.Load(); held > most && !b.most.CompareAndSwap(most, held); {
		most = b.most.Load()
	}
	return true
}

// Give gives them back.
func (b *Bodies) Give(n int) { b.held.Add(-int64(n)) }

// Collect implements [metric.Source].
func (b *Bodies) Collect(to metric.Emitter) {
	to.Gauge("bodies_bytes", "Memory for request bodies of more than 8 KiB that are arriving or being handled, and for what bodies inflate to.", float64(b.held.Load()))
	to.Gauge("bodies_bytes_max", "Most of it that may be in use, -bodies-bytes.", float64(b.max))
}

// A buffer holds the body of one request until its handler returns.
type buffer struct {
	bytes []byte
	box   *[]byte // what a pool of larger holds bytes in; nil: they are not from one
	took  int     // from the budget
}

// Sizes of buffers. A buffer grows fourfold, so at most four times what has arrived is
// reserved.
const (
	growth       = 4
	smallestGrow = 16 << 10
)

// grown are buffers without bytes yet.
var grown = sync.Pool{New: func() any { return new(buffer) }}

// larger are bytes by the power of two of their size. A collection of garbage
// empties them.
var larger [32]sync.Pool

// take gives the buffer size bytes, a power of two, in place of those that it has.
func (b *buffer) take(size int) {
	box, ok := larger[bits.Len(uint(size-1))].Get().(*[]byte)
	if !ok {
		box = new([]byte)
		*box = make([]byte, 0, size)
	}
	bytes := append((*box)[:0], b.bytes...)
	b.drop()
	b.bytes, b.box = bytes, box
}

// drop gives the bytes back to their pool.
func (b *buffer) drop() {
	if b.box != nil {
		*b.box = b.bytes[:0]
		larger[bits.Len(uint(cap(b.bytes)-1))].Put(b.box)
	}
	b.bytes, b.box = nil, nil
}

const chunked = -1 // as a length

// A bodyReader reads the bodies of requests, and gives back what they took.
type bodyReader struct {
	budget *Bodies
	open   *connections
	tidier *tidier
	ahead  int // bytes of a body that the HTTP server reads before the handler is called
}

// Body reads the body of a request, which is valid until the handler returns. If it
// is refused, nothing of the connection can be used any more: the front closes it.
func (f *Front) Body(ctx *fasthttp.RequestCtx, limit int) ([]byte, refusal.Reason, bool) {
	return f.bodies.read(ctx, limit)
}

func (r *bodyReader) read(ctx *fasthttp.RequestCtx, limit int) ([]byte, refusal.Reason, bool) {
	stream := ctx.RequestBodyStream()
	c, ok := ctx.Conn().(*conn)
	if stream == nil || !ok {
		return ctx.Request.Body(), 0, true
	}
	declared := ctx.Request.Header.ContentLength() // -1: chunked
	if declared > limit {
		return nil, refusal.TooLarge, false
	}
	if r.isThere(declared) {
		// Without its stream, the request has the bytes that the stream would give.
		if err := ctx.Request.CloseBodyStream(); err != nil {
			return nil, refusal.Malformed, false
		}
		return ctx.Request.Body(), 0, true
	}
	b := grown.Get().(*buffer)
	c.body = b
	reason, ok := r.fill(b, stream, declared, limit)
	if declared == chunked && c.in.ended && (ok || reason == refusal.Malformed) {
		// The HTTP server takes the end of the connection for that of the chunks; it
		// is no end without the last one (RFC 9112, section 8).
		reason, ok = refusal.Incomplete, false
	}
	if !ok {
		return nil, reason, false
	}
	if declared == chunked && c.in.padded(len(b.bytes)) {
		return nil, refusal.Malformed, false
	}
	if declared == chunked && !fewTrailers(ctx) {
		return nil, refusal.HeadersTooLarge, false
	}
	if err := ctx.Request.CloseBodyStream(); err != nil {
		return nil, refusal.Malformed, false
	}
	return b.bytes, 0, true
}

// isThere reports whether a body of the declared length was read before the handler was
// called.
func (r *bodyReader) isThere(declared int) bool { return 0 <= declared && declared <= r.ahead }

// fill reads a body into a buffer that grows as it comes.
func (r *bodyReader) fill(b *buffer, stream io.Reader, declared, limit int) (refusal.Reason, bool) {
	largest := limit + 1 // so that one more than the limit is noticed
	if declared >= 0 {
		largest = declared
	}
	for {
		if len(b.bytes) == cap(b.bytes) && len(b.bytes) < largest {
			if !r.grow(b, largest) {
				return refusal.Bodies, false
			}
		}
		room := b.bytes[len(b.bytes):min(cap(b.bytes), largest)]
		n, err := stream.Read(room)
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case len(b.bytes) > limit:
			return refusal.TooLarge, false
		case err == io.EOF && len(b.bytes) < declared:
			return refusal.Incomplete, false
		case err == io.EOF || len(b.bytes) == declared:
			return 0, true
		case err != nil:
			return r.open.why(err), false
		}
	}
}

func (r *bodyReader) grow(b *buffer, largest int) bool {
	size := min(max(smallestGrow, growth*cap(b.bytes)), max(largest, smallestGrow))
	size = 1 << bits.Len(uint(size-1))
	if !r.budget.Take(size) {
		return false
	}
	b.take(size)
	r.budget.Give(b.took)
	b.took = size
	return true
}

// finish ends a request: the buffer of its body is free, and a connection on which
// some of the body is still to come is closed, since what follows is no request.
func (r *bodyReader) finish(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		return
	}
	if b := c.body; b != nil {
		c.body = nil
		b.drop()
		r.budget.Give(b.took)
		b.took = 0
		grown.Put(b)
		r.tidier.body(r.budget)
	}
	if ctx.RequestBodyStream() != nil && !r.isThere(ctx.Request.Header.ContentLength()) {
		ctx.SetConnectionClose()
		c.linger.Store(true)
	}
}
