package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/ws"
)

// Options tunes a [Server]. Zero values mean the defaults that each names.
type Options struct {
	// MaxBody is the largest body accepted, in bytes. Zero means 256 KiB.
	MaxBody int

	// MaxConnections is how many HTTP connections may be open at once, streams
	// not counted. Zero means 8192.
	MaxConnections int

	// ReadTimeout is how long a request may take to arrive. Zero means 10 s.
	ReadTimeout time.Duration

	// IdleTimeout is how long a connection may wait for its next request. Zero
	// means 75 s, longer than load balancers keep theirs.
	IdleTimeout time.Duration

	// IngestRate is how many events per second are taken in all, ClientRate
	// from one client. Zero means no limit.
	IngestRate, ClientRate float64

	// Origins are the pages that may talk to the service. Empty means all.
	Origins []string

	// TrustedProxies are those whose X-Forwarded-For is believed. Empty means all.
	TrustedProxies []netip.Prefix

	// Admin says that metrics and probes have a listener of their own, so the
	// public ones do not serve them.
	Admin bool

	// Version is shown by dispatcher_build_info.
	Version string

	// Degraded lists what does not work although the service does, for
	// /readyz. Nil means nothing.
	Degraded func() []string

	// Relay takes accepted events to other instances. Nil: there are none.
	Relay *relay.Relay

	// Firehose streams events over WebSocket. Nil: only over Server-Sent Events.
	Firehose *Firehose

	// Sessions has the sockets of users' screens. Nil: there are none.
	Sessions *ws.Hub

	// SessionStore tells what is stored of them, for metrics.
	SessionStore SessionStore

	// SocketOrigins are the pages, besides those of the service's own host,
	// that may open session sockets. "*" is all.
	SocketOrigins []string

	// Log gets what an operator should know; never a line per event. Nil means
	// nobody.
	Log *zap.Logger
}

func (o *Options) setDefaults() {
	setDefault(&o.MaxBody, 256<<10)
	setDefault(&o.MaxConnections, 8192)
	setDefault(&o.ReadTimeout, 10*time.Second)
	setDefault(&o.IdleTimeout, 75*time.Second)
	if o.Degraded == nil {
		o.Degraded = o.withoutRedis
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// MaxAddedBytes is the most that the service adds to a body before it is an
// event in the ring: the frame and a member with an address.
const MaxAddedBytes = 128

// A Server answers HTTP. Its methods may be called by any goroutine.
type Server struct {
	// Fixed after New.
	options Options
	broker  *broker.Broker
	pool    *stream.Pool
	relay   *relay.Relay         // may be nil
	waiting func() time.Duration // the pool's
	cors    cors
	clients clientAddress
	limits  *limits
	vitals  *vitals
	tidier  tidier
	metrics fasthttp.RequestHandler
	log     *zap.Logger
	public  front
	admin   front

	started  atomic.Bool
	draining atomic.Bool

	// Counted on the way, read at scrape.
	counters ingestCounters
	rejected refusalCounters
	panics   atomic.Uint64
	backoffs atomic.Uint64
}

// New returns a server over a broker and a pool, which it does not own.
func New(b *broker.Broker, p *stream.Pool, o Options) *Server {
	o.setDefaults()
	s := &Server{
		options: o,
		broker:  b,
		pool:    p,
		relay:   o.Relay,
		waiting: p.Waiting,
		cors:    newCORS(o.Origins),
		clients: clientAddress{trusted: o.TrustedProxies},
		limits:  newLimits(o.IngestRate, o.ClientRate),
		vitals:  newVitals(),
		log:     o.Log,
	}
	s.metrics = s.metricsHandler()
	s.public.http = s.httpServer(s.route, &s.cors)
	s.public.http.ExpectHandler = s.expect
	s.admin.http = s.httpServer(s.routeAdmin, nil)
	return s
}

// httpServer is a fasthttp server that survives what its handlers and peers do.
// Answers to requests that do not get as far as route have the headers of cors.
func (s *Server) httpServer(route fasthttp.RequestHandler, cors *cors) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.guard(route, cors),
		ErrorHandler:                 func(ctx *fasthttp.RequestCtx, err error) { s.refuse(ctx, reasonOf(err), cors) },
		Concurrency:                  s.options.MaxConnections + s.options.MaxConnections/8 + 16, // ours comes first
		MaxIdleWorkerDuration:        workerIdle,
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  s.options.ReadTimeout,
		IdleTimeout:                  s.options.IdleTimeout,
		MaxRequestBodySize:           s.options.MaxBody,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		Logger:                       httpLog{s.log},
	}
}

// Serve answers on ln until Drain or a failure that is not the end of
// descriptors or memory. It may run for several listeners at once. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	s.started.Store(true)
	l := s.listener(ln, &s.public)
	l.max = s.options.MaxConnections
	l.slack = max(s.options.IdleTimeout/4, 2*time.Second)
	l.refusal = s.refusalBytes(reasonConnections)
	l.refused = &s.rejected[reasonConnections]
	if err := s.public.serve(l); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// ServeAdmin answers operators on ln, until CloseAdmin. It closes ln.
func (s *Server) ServeAdmin(ln net.Listener) error {
	if err := s.admin.serve(s.listener(ln, &s.admin)); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

func (s *Server) listener(ln net.Listener, f *front) *listener {
	return &listener{
		Listener: ln,
		open:     &f.open,
		refusing: &f.refusing,
		backoffs: &s.backoffs,
		log:      s.log,
		closed:   make(chan struct{}),
	}
}

// Drain stops intake: not ready, listeners closed, further events refused. It
// returns when all connections are closed; those still open when ctx is done are
// cut. What was accepted is then in the ring. Streams go on: they are the pool's.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.tidier.stop()
	return s.public.shutdown(ctx)
}

// CloseAdmin ends ServeAdmin.
func (s *Server) CloseAdmin(ctx context.Context) error { return s.admin.shutdown(ctx) }

// guard recovers: fasthttp does not, and one bad request must not end the process.
func (s *Server) guard(next fasthttp.RequestHandler, cors *cors) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				s.panics.Add(1)
				s.log.Error("panic in a handler", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
				ctx.Response.Reset()
				s.refuse(ctx, reasonPanic, cors)
			}
		}()
		if reason, ok := wellFormed(&ctx.Request.Header); !ok {
			s.refuse(ctx, reason, cors)
			return
		}
		next(ctx)
	}
}

// wellFormed refuses what fasthttp lets through and a proxy in front may read
// differently: other versions of HTTP, a body with two lengths (RFC 9112, section
// 6.1), codings other than chunked (6.1), folded lines (5.2). It reads the head as
// it came: of an empty chunked body, for one, fasthttp keeps no trace.
func wellFormed(h *fasthttp.RequestHeader) (Reason, bool) {
	if p := h.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return reasonVersion, false
	}
	length, coding := false, false
	for raw := h.RawHeaders(); len(raw) > 0; {
		switch raw[0] {
		case ' ', '\t':
			return reasonMalformed, false
		case 'c', 'C':
			_, ok := headerValue(raw, fasthttp.HeaderContentLength)
			length = length || ok
		case 't', 'T':
			if value, ok := headerValue(raw, fasthttp.HeaderTransferEncoding); ok {
				coding = true
				if !bytes.EqualFold(value, []byte("chunked")) {
					return reasonMalformed, false
				}
			}
		}
		i := bytes.IndexByte(raw, '\n')
		if i < 0 {
			break
		}
		raw = raw[i+1:]
	}
	return reasonMalformed, !(length && coding)
}

// headerValue is the value of the line at the start of raw, if name is its name.
func headerValue(raw []byte, name string) ([]byte, bool) {
	if len(raw) <= len(name) || raw[len(name)] != ':' || !strings.EqualFold(unsafe.String(&raw[0], len(name)), name) {
		return nil, false
	}
	line, _, _ := bytes.Cut(raw[len(name)+1:], []byte{'\n'})
	return bytes.TrimSpace(line), true
}

// route picks the handler by the path exactly as it was sent: //metrics and
// /x/../metrics are other paths.
func (s *Server) route(ctx *fasthttp.RequestCtx) {
	path := ctx.URI().PathOriginal()
	switch string(path) {
	case "/metrics":
		switch {
		case ctx.IsPost() || ctx.IsOptions():
			s.withCORS(ctx, ingestMethods, s.ingest)
		case s.options.Admin:
			s.withCORS(ctx, ingestMethods, nil)
		case ctx.IsGet() || ctx.IsHead():
			s.metrics(ctx)
		default:
			s.withCORS(ctx, "GET, HEAD, "+ingestMethods, nil)
		}
	case "/api/events":
		s.withCORS(ctx, ingestMethods, s.ingestWithAddress)
	case "/event-dispatcher", "/events":
		s.withCORS(ctx, streamMethods, s.stream)
	case "/health":
		s.health(ctx)
	case "/livez", "/readyz":
		if s.options.Admin {
			s.reject(ctx, reasonNotFound)
			return
		}
		s.probe(ctx, string(path))
	default:
		if s.options.Sessions == nil || !s.routeSessions(ctx, path) {
			s.reject(ctx, reasonNotFound)
		}
	}
}

// withCORS serves a path of players or consumers. methods are those it has; the
// first is the one that next serves.
func (s *Server) withCORS(ctx *fasthttp.RequestCtx, methods string, next fasthttp.RequestHandler) {
	s.cors.allow(&ctx.Request.Header, &ctx.Response.Header)
	switch {
	case next != nil && isMethod(ctx, methods):
		next(ctx)
	case isPreflight(ctx, methods):
		s.cors.preflight(ctx, methods)
	default:
		s.rejectMethod(ctx, methods)
	}
}

// isMethod reports whether the request has the first of the methods.
func isMethod(ctx *fasthttp.RequestCtx, methods string) bool {
	method := ctx.Method()
	return len(methods) >= len(method) && methods[:len(method)] == string(method) &&
		(len(methods) == len(method) || methods[len(method)] == ',')
}

// isPreflight reports whether the request is answered as a CORS preflight: any
// OPTIONS where the path lists it, elsewhere one that says what it is.
func isPreflight(ctx *fasthttp.RequestCtx, methods string) bool {
	return ctx.IsOptions() && (methods != streamMethods || len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0)
}

// probe serves /livez and /readyz.
func (s *Server) probe(ctx *fasthttp.RequestCtx, path string) {
	switch {
	case !ctx.IsGet() && !ctx.IsHead():
		s.rejectMethod(ctx, "GET, HEAD")
	case path == "/livez":
		s.live(ctx)
	default:
		s.ready(ctx)
	}
}

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
