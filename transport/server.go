package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

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

	// ClientConnections is how many connections one client may hold, streams and
	// sockets among them. Behind a proxy that TrustedProxies lists, streams and
	// sockets are the client's, the other connections nobody's. Zero means no limit.
	ClientConnections int

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
	places  *clientConnections // nil: no limit
	vitals  *vitals
	tidier  tidier
	metrics fasthttp.RequestHandler
	log     *zap.Logger
	public  front
	admin   front

	started  atomic.Bool
	unready  atomic.Bool // on the way to the drain, or in it
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
	s.places = newClientConnections(o.ClientConnections, &s.clients)
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
	l.clients = s.places
	l.full = s.turnedAway(reasonConnections)
	l.crowded = s.turnedAway(reasonClientConnections)
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

func (s *Server) turnedAway(r Reason) turnedAway {
	return turnedAway{answer: s.refusalBytes(r), count: &s.rejected[r]}
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

// Unready has /readyz say 503 while everything is served as before, so that
// balancers look elsewhere before Drain.
func (s *Server) Unready() { s.unready.Store(true) }

// Drain stops intake: not ready, listeners closed, further events refused. It
// returns when all connections are closed; those still open when ctx is done are
// cut. What was accepted is then in the ring. Streams go on: they are the pool's.
func (s *Server) Drain(ctx context.Context) error {
	s.Unready()
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
