package transport

import (
	"bytes"
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/ws"
)

const streamMethods = "GET"

// Range of the reconnection times given to browsers that find no place.
const (
	minFullRetry = 10 * time.Second
	maxFullRetry = 60 * time.Second
)

// stream serves GET /event-dispatcher and GET /events: it takes the connection
// away from the HTTP server and gives it to the writer loops, the response head
// and first comment with it.
func (s *Server) stream(ctx *fasthttp.RequestCtx) {
	if s.options.Firehose != nil && ws.Wanted(&ctx.Request.Header) {
		s.upgradeStream(ctx)
		return
	}
	shards, err := s.broker.ParseShards(string(ctx.QueryArgs().Peek("shards")))
	if err != nil {
		s.reject(ctx, reasonShards)
		return
	}
	// The cursor is taken here, before the consumer can see its stream open:
	// from the answer on it gets everything.
	ticket, err := s.pool.Admit(shards)
	if err != nil {
		s.refuseConsumer(ctx, reasonOfPool(err))
		return
	}
	opening := append(s.streamHead(ctx), stream.OpeningComment...)
	s.takeOver(ctx, ticket.Forget, func(nc net.Conn, _ []byte) {
		ticket.Then(keepPlace(nc)).Serve(nc, opening)
	})
}

// streamHeaders are in every stream's response, besides those of CORS. The body
// ends when the connection does, so it needs no chunks (RFC 9112, section 6.3,
// rule 8).
var streamHeaders = []header{
	newHeader(fasthttp.HeaderContentType, "text/event-stream"),
	newHeader(fasthttp.HeaderCacheControl, "no-cache, no-store, no-transform"),
	newHeader("X-Accel-Buffering", "no"), // nginx: do not buffer
	newHeader(fasthttp.HeaderConnection, "close"),
}

func (s *Server) streamHead(ctx *fasthttp.RequestCtx) []byte {
	b := append([]byte(nil), "HTTP/1.1 200 OK\r\nDate: "...)
	b = append(fasthttp.AppendHTTPDate(b, ctx.Time()), "\r\n"...)
	for _, list := range [][]header{streamHeaders, s.cors.headers(&ctx.Request.Header)} {
		for _, h := range list {
			b = append(append(append(append(b, h.key...), ": "...), h.value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// refuseConsumer answers a consumer that finds no place. An EventSource never
// comes back after a status other than 200 (WHATWG HTML, section 9.2.3 "Processing
// model"); one says that it accepts event streams. It gets a stream that only
// tells it when to try again.
func (s *Server) refuseConsumer(ctx *fasthttp.RequestCtx, reason Reason) {
	if !bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAccept), []byte("text/event-stream")) {
		s.reject(ctx, reason)
		return
	}
	s.rejected[reason].Add(1)
	for _, h := range streamHeaders {
		ctx.Response.Header.SetCanonical(h.key, h.value)
	}
	ctx.Response.SetBody(stream.AppendRetry(nil, stream.Jitter(minFullRetry, maxFullRetry)))
}

// reasonOfPool is why a pool has no place.
func reasonOfPool(err error) Reason {
	if errors.Is(err, stream.ErrDraining) {
		return reasonDraining
	}
	return reasonConsumers
}
