package subscribe

import (
	"bytes"
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
	"event-dispatcher/transport/ws"
)

// Options is what [Consumers] work with.
type Options struct {
	Broker *broker.Broker
	Pool   *stream.Pool

	// Firehose streams events over WebSocket. Nil: only over Server-Sent Events.
	Firehose *Firehose

	Front    *front.Front
	CORS     *access.CORS
	Refusals *refusal.Desk
}

// Consumers has the handler of streams. Its methods may be called by any goroutine.
type Consumers struct{ options Options }

// New returns the handler.
func New(o Options) *Consumers { return &Consumers{o} }

// Range of the reconnection times given to browsers that find no place.
const (
	minFullRetry = 10 * time.Second
	maxFullRetry = 60 * time.Second
)

// Stream serves GET /event-dispatcher and GET /events: it takes the connection
// away from the HTTP server and gives it to the writer loops, the response head
// and first comment with it.
func (c *Consumers) Stream(ctx *fasthttp.RequestCtx) {
	if c.options.Firehose != nil && ws.Wanted(&ctx.Request.Header) {
		c.upgrade(ctx)
		return
	}
	shards, err := c.options.Broker.ParseShards(string(ctx.QueryArgs().Peek("shards")))
	if err != nil {
		c.options.Refusals.Reject(ctx, refusal.Shards)
		return
	}
	// The cursor is taken here, before the consumer can see its stream open:
	// from the answer on it gets everything.
	ticket, err := c.options.Pool.Admit(shards)
	if err != nil {
		c.Refuse(ctx, reasonOf(err))
		return
	}
	opening := wire.Format{}.AppendOpening(c.head(ctx), "")
	c.options.Front.TakeOver(ctx, ticket.Forget, func(nc net.Conn, _ []byte) {
		ticket.Then(client.KeepPlace(nc)).Serve(nc, opening)
	})
}

// streamHeaders are in every stream's response, besides those of CORS.
var streamHeaders = []reply.Header{
	reply.NewHeader(fasthttp.HeaderContentType, "text/event-stream; charset=utf-8"),
	reply.NewHeader(fasthttp.HeaderCacheControl, "no-cache, no-store, no-transform"),
	reply.NewHeader("X-Accel-Buffering", "no"), // nginx: do not buffer
	reply.NewHeader(fasthttp.HeaderConnection, "close"),
}

func (c *Consumers) head(ctx *fasthttp.RequestCtx) []byte {
	b := append([]byte(nil), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: "...)
	b = append(fasthttp.AppendHTTPDate(b, ctx.Time()), "\r\n"...)
	for _, list := range [][]reply.Header{streamHeaders, c.options.CORS.Headers(&ctx.Request.Header)} {
		for _, h := range list {
			b = append(append(append(append(b, h.Key...), ": "...), h.Value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// Refuse answers a consumer that finds no place. An EventSource never
// comes back after a status other than 200 (WHATWG HTML, section 9.2.3 "Processing
// model"); one says that it accepts event streams. It gets a stream that only
// tells it when to try again.
func (c *Consumers) Refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason) {
	if !bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAccept), []byte("text/event-stream")) {
		c.options.Refusals.Reject(ctx, reason)
		return
	}
	c.options.Refusals.Note(ctx, reason)
	for _, h := range streamHeaders {
		h.Set(&ctx.Response.Header)
	}
	ctx.Response.SetBody(wire.AppendRetry(nil, stream.Jitter(minFullRetry, maxFullRetry)))
}

// reasonOf is why a pool has no place.
func reasonOf(err error) refusal.Reason {
	if errors.Is(err, stream.ErrDraining) {
		return refusal.Draining
	}
	return refusal.Consumers
}
