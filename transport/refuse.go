package transport

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"
)

// expect answers "Expect: 100-continue" before the body comes (RFC 9110,
// section 10.1.1).
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	if takesEvents(ctx) {
		if reason, ok := s.admit(ctx); !ok {
			return s.refuseBody(ctx, reason)
		}
		if reason, ok := s.withinLimits(ctx); !ok {
			return s.refuseBody(ctx, reason)
		}
	}
	if ctx.Request.Header.ContentLength() > s.options.MaxBody {
		return s.refuseBody(ctx, reasonTooLarge)
	}
	return fasthttp.StatusContinue
}

// refuseBody refuses a request whose body has not come yet.
func (s *Server) refuseBody(ctx *fasthttp.RequestCtx, reason Reason) int {
	if takesEvents(ctx) {
		s.counters.received.Add(1)
	}
	s.refuse(ctx, reason, &s.cors) // some send it anyway
	return refusals[reason].status
}

// takesEvents reports whether the request is for one of the handlers of events.
func takesEvents(ctx *fasthttp.RequestCtx) bool {
	path := ctx.URI().PathOriginal()
	return ctx.IsPost() && (string(path) == "/metrics" || string(path) == "/api/events" || string(path) == submitPath)
}

// refuse rejects a request after which the connection is of no use.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, reason Reason, cors *cors) {
	if cors != nil {
		cors.allow(&ctx.Request.Header, &ctx.Response.Header)
	}
	s.reject(ctx, reason)
	ctx.SetConnectionClose()
	lingerOnClose(ctx)
}

// reasonOf is why fasthttp could not read a request.
func reasonOf(err error) Reason {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return reasonTooLarge
	case errors.As(err, &small):
		return reasonHeadersTooLarge
	case errors.As(err, &network) && network.Timeout():
		return reasonTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reasonIncomplete
	}
	return reasonMalformed
}
