package subscribe

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
)

// Range of the reconnection times given to browsers that find no place.
const (
	minFullRetry = 10 * time.Second
	maxFullRetry = 60 * time.Second
)

// Range of the reconnection times given to browsers whose stream opens: what they take
// by themselves.
const (
	minRetry = 2 * time.Second
	maxRetry = 4 * time.Second
)

// wantsEvents reports whether a request says that it accepts event streams, as an
// EventSource does.
func wantsEvents(h *fasthttp.RequestHeader) bool {
	return bytes.Contains(h.Peek(fasthttp.HeaderAccept), []byte("text/event-stream"))
}

// streamHeaders are in every stream's response, besides those of CORS.
var streamHeaders = []reply.Header{
	reply.NewHeader(fasthttp.HeaderCacheControl, "no-cache, no-store, no-transform"),
	reply.NewHeader("X-Accel-Buffering", "no"), // nginx: do not buffer
	reply.NewHeader(fasthttp.HeaderConnection, "close"),
}

func (c *Consumers) head(ctx *fasthttp.RequestCtx, f wire.Format) []byte {
	b := append([]byte(nil), "HTTP/1.1 200 OK\r\n"...)
	if !f.Unchunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if f.Encoding != wire.Identity {
		b = append(append(append(b, "Content-Encoding: "...), f.Encoding.String()...), "\r\n"...)
	}
	if c.options.CompressAuto {
		b = append(b, "Vary: Accept-Encoding\r\n"...)
	}
	b = append(append(b, "Content-Type: "...), f.ContentType()...)
	b = append(fasthttp.AppendHTTPDate(append(b, "\r\nDate: "...), ctx.Time()), "\r\n"...)
	for _, list := range [][]reply.Header{streamHeaders, c.options.CORS.Headers(&ctx.Request.Header)} {
		for _, h := range list {
			b = append(append(append(append(b, h.Key...), ": "...), h.Value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// Refuse answers a consumer that finds no place, and says no more than that.
func (c *Consumers) Refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason) {
	c.refuse(ctx, c.wishes.preferred(&ctx.Request.Header), reason)
}

// refuse answers a consumer that finds no place. An EventSource never
// comes back after a status other than 200 (WHATWG HTML, section 9.2.3 "Processing
// model"); one says that it accepts event streams. It gets a stream that only
// tells it when to try again.
func (c *Consumers) refuse(ctx *fasthttp.RequestCtx, f wire.Format, reason refusal.Reason) {
	if f.Kind != wire.SSE || !wantsEvents(&ctx.Request.Header) {
		c.options.Refusals.Reject(ctx, reason)
		return
	}
	c.options.Refusals.Note(ctx, reason)
	for _, h := range streamHeaders {
		h.Set(&ctx.Response.Header)
	}
	ctx.Response.Header.SetContentType(f.ContentType())
	low, high := minFullRetry, maxFullRetry
	if reason == refusal.Draining { // another instance has places
		low, high = minRetry, maxRetry
	}
	ctx.Response.SetBody(wire.AppendRetry(nil, stream.Jitter(low, high)))
}
