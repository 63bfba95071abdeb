package front

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
)

// Refuse rejects a request and closes its connection, which is of no use any more.
func (f *Front) Refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason) { f.refuse(ctx, reason, "") }

func (f *Front) refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason, details string) {
	if f.options.Allow != nil {
		f.options.Allow(ctx)
	}
	f.options.Refusals.Explain(ctx, reason, details)
	ctx.SetConnectionClose()
	lingerOnClose(ctx)
}

// expect answers "Expect: 100-continue" before the body comes (RFC 9110,
// section 10.1.1). Some clients send a refused body anyway.
func (f *Front) expect(ctx *fasthttp.RequestCtx) int {
	reason, ok := f.options.BeforeBody(ctx)
	if ok && ctx.Request.Header.ContentLength() > f.bodyLimit(&ctx.Request.Header) {
		reason, ok = refusal.TooLarge, false
	}
	if ok {
		return fasthttp.StatusContinue
	}
	f.refuse(ctx, reason, f.limitText(ctx, reason))
	return reason.Status()
}

// unreadable answers a request that could not be read to its end.
func (f *Front) unreadable(ctx *fasthttp.RequestCtx, err error) {
	reason := reasonOf(err)
	f.refuse(ctx, reason, f.limitText(ctx, reason))
}

// limitText says how large a body may be, if it was too large.
func (f *Front) limitText(ctx *fasthttp.RequestCtx, reason refusal.Reason) string {
	if reason != refusal.TooLarge {
		return ""
	}
	return refusal.Limit(f.bodyLimit(&ctx.Request.Header))
}

// turnedAway answers a connection that is refused before it is read. Nobody knows
// what page it comes from.
func (f *Front) turnedAway(r refusal.Reason) turnedAway {
	var headers []reply.Header
	if f.options.CORS != nil {
		headers = f.options.CORS.Headers(new(fasthttp.RequestHeader))
	}
	return turnedAway{answer: refusal.Bytes(r, headers), count: f.options.Refusals.Counter(r)}
}

// reasonOf is why fasthttp could not read a request.
func reasonOf(err error) refusal.Reason {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return refusal.TooLarge
	case errors.As(err, &small):
		return refusal.HeadersTooLarge
	case errors.As(err, &network) && network.Timeout():
		return refusal.Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return refusal.Incomplete
	}
	return refusal.Malformed
}
