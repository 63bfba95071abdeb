package front

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
)

// Refuse rejects a request and closes its connection, which is of no use any more.
func (f *Front) Refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason) {
	f.refuser.refuse(ctx, reason, "")
}

// refuser answers what is refused on the way to the handler.
type refuser struct {
	desk       *refusal.Desk
	limits     limits
	open       *connections
	allow      func(*fasthttp.RequestCtx)                        // see Options.Allow
	beforeBody func(*fasthttp.RequestCtx) (refusal.Reason, bool) // see Options.BeforeBody
	cors       *access.CORS                                      // nil: no headers
}

func (r *refuser) refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason, details string) {
	if r.allow != nil {
		r.allow(ctx)
	}
	r.desk.Explain(ctx, reason, details)
	ctx.SetConnectionClose()
	lingerOnClose(ctx)
}

// expect answers "Expect: 100-continue" before the body comes (RFC 9110,
// section 10.1.1). Some clients send a refused body anyway.
func (r *refuser) expect(ctx *fasthttp.RequestCtx) int {
	reason, ok := r.beforeBody(ctx)
	if ok && ctx.Request.Header.ContentLength() > r.limits.body(&ctx.Request.Header) {
		reason, ok = refusal.TooLarge, false
	}
	if ok {
		return fasthttp.StatusContinue
	}
	r.refuse(ctx, reason, r.limits.text(ctx, reason))
	return reason.Status()
}

// unreadable answers a request that could not be read to its end.
func (r *refuser) unreadable(ctx *fasthttp.RequestCtx, err error) {
	refuseLongPath(&ctx.Request.Header)
	reason := r.open.why(err)
	if c, ok := ctx.Conn().(*conn); ok && reason == refusal.HeadersTooLarge && !c.in.line {
		reason = refusal.TargetTooLong
	}
	r.refuse(ctx, reason, r.limits.text(ctx, reason))
}

// turnedAway answers a connection that is refused before it is read. Nobody knows
// what page it comes from.
func (r *refuser) turnedAway(reason refusal.Reason) turnedAway {
	var headers []reply.Header
	if r.cors != nil {
		headers = r.cors.Headers(new(fasthttp.RequestHeader))
	}
	return turnedAway{answer: refusal.Prepare(reason, headers), count: r.desk.Counter(reason)}
}

// reasonOf is why fasthttp could not read a request.
func reasonOf(err error) refusal.Reason {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return refusal.TooLarge
	case errors.As(err, &small), errors.Is(err, errManyLines):
		return refusal.HeadersTooLarge
	case errors.As(err, &network) && network.Timeout():
		return refusal.Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return refusal.Incomplete
	case unknownCoding(err):
		return refusal.Coding
	}
	return refusal.Malformed
}

// why is reasonOf, for one of the connections: they may be leaving.
func (cs *connections) why(err error) refusal.Reason {
	reason := reasonOf(err)
	if reason == refusal.Timeout && cs.leaving.Load() == hurried {
		return refusal.Draining
	}
	return reason
}

// unknownCoding reports whether a transfer coding was asked for that is not understood
// here (RFC 9112, section 6.1), which fasthttp says in words only. Where chunked is not
// the last of several, nobody knows where the body ends: that is malformed (6.3).
func unknownCoding(err error) bool {
	_, text, ok := strings.Cut(err.Error(), `request headers: unsupported transfer-encoding: "`)
	if !ok {
		return false
	}
	value, _, _ := strings.Cut(text, `": buffer size`)
	items := strings.Split(strings.ToLower(value), ",")
	for i, item := range items {
		item = strings.TrimSpace(item)
		if item == "" || strings.ContainsAny(item, `"\ `) || item == "chunked" && i < len(items)-1 {
			return false
		}
	}
	return true
}
