package front

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// limits are how large bodies may be.
type limits struct {
	max int                                 // bytes, of any route
	of  func(h *fasthttp.RequestHeader) int // see Options.BodyLimit
}

// body is how large the body of a request may be.
func (l limits) body(h *fasthttp.RequestHeader) int {
	if l.of != nil {
		if n := l.of(h); n > 0 {
			return n
		}
	}
	return l.max
}

// exceeds reports whether n bytes are more than the body of a request may have.
func (l limits) exceeds(h *fasthttp.RequestHeader, n int) bool { return n > l.max && n > l.body(h) }

// text says how large a body may be, if it was too large.
func (l limits) text(ctx *fasthttp.RequestCtx, reason refusal.Reason) string {
	if reason != refusal.TooLarge {
		return ""
	}
	return refusal.Limit(l.body(&ctx.Request.Header))
}

// headerReceived has the HTTP server not wait for a body that will be refused.
func (l limits) headerReceived(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	expectation(h)
	refuseLongPath(h)
	if manyLines(h) { // guard refuses it; until then no body is awaited
		h.Del(fasthttp.HeaderExpect)
		h.SetContentLength(0)
		return c
	}
	if l.exceeds(h, h.ContentLength()) && len(h.Peek(fasthttp.HeaderExpect)) == 0 {
		h.SetContentLength(0) // the raw head still has what was declared
	}
	return c
}
