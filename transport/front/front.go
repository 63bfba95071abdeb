package front

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
)

// Options tunes a [Front].
type Options struct {
	MaxBody        int           // bytes, of the largest body of any route
	MaxBatch       int           // bytes, the largest that BodyLimit says
	MaxConnections int           // open at once; what took over is not counted
	ReadTimeout    time.Duration // for a request to arrive
	IdleTimeout    time.Duration // for the next request to begin

	// Uncapped lets everybody in: operators, when the service is full.
	Uncapped bool

	// Descriptors is how many the process may have, the public listeners together
	// with everything else; a few are left to probes and operators. Zero: nobody knows.
	Descriptors int

	// Clients limits the connections of each client. Nil: no limit.
	Clients *client.Connections

	// TLS is spoken on all connections. Nil: none.
	TLS *tls.Config

	// CORS has the headers of answers to connections that are refused before they
	// are read. Nil: none.
	CORS *access.CORS

	// Allow sets the headers of CORS on an answer to a request that does not get as
	// far as the handler. Nil: there are none.
	Allow func(ctx *fasthttp.RequestCtx)

	// BodyLimit is the largest body of a request with this header, if that is not
	// MaxBody; 0: it is. Nil: it always is.
	BodyLimit func(h *fasthttp.RequestHeader) int

	// BeforeBody decides what can be decided before a body comes that the client
	// offers to hold back. Nil: it is sent.
	BeforeBody func(ctx *fasthttp.RequestCtx) (refusal.Reason, bool)

	// Bodies is the budget for large bodies, Answers that for large answers. Nil: there is
	// no limit.
	Bodies  *Bodies
	Answers *Answers

	Refusals *refusal.Desk
	Faults   *Faults
	Log      *zap.Logger
}

// Faults counts what went wrong in fronts, and did not stop them.
type Faults struct{ panics, backoffs atomic.Uint64 }

// Collect implements [metric.Source].
func (f *Faults) Collect(to metric.Emitter) {
	to.Counter("panics_total", "Panics recovered in request handlers.", f.panics.Load())
	to.Counter("accept_backoffs_total", "Times that accepting connections failed for want of descriptors or memory, and was tried again.", f.backoffs.Load())
}

// A Front is one HTTP server, its listeners and its connections. fasthttp forgets
// a listener that comes while it shuts down; a front does not.
type Front struct {
	// Fixed after Handle.
	options Options
	http    *fasthttp.Server
	refuser refuser
	bodies  bodyReader

	open     connections
	refusing connections // over the cap, being told so
	reserved connections // over the cap, for probes
	reserve  reserve
	tidier   tidier

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners []*listener
}

// New returns a front. Handle must come before Serve.
func New(o Options) *Front {
	f := &Front{options: o}
	// Chunks of a byte each, and extensions of chunks, may double what is sent.
	f.open.wire = maxHead + 2*max(o.MaxBody, o.MaxBatch)
	f.open.step = o.ReadTimeout
	f.refuser = refuser{
		desk: o.Refusals, limits: limits{o.MaxBody, o.BodyLimit}, open: &f.open,
		allow: o.Allow, beforeBody: o.BeforeBody, cors: o.CORS,
	}
	f.bodies = bodyReader{o.Bodies, &f.open, &f.tidier, min(prefetched, o.MaxBody)}
	f.open.emptied, f.open.left = f.tidier.memory.Later, f.tidier.memory.Left
	f.tidier.memory.Before = f.tidier.forget
	return f
}

// maxHead bounds the head of a request, in bytes.
const maxHead = 16 << 10

// Handle says who answers the requests that are well-formed.
func (f *Front) Handle(next fasthttp.RequestHandler) {
	f.http = &fasthttp.Server{
		Handler:                      f.guard(next),
		ErrorHandler:                 f.refuser.unreadable,
		Concurrency:                  math.MaxInt32, // beyond it the server would answer in its loop that accepts; ours comes first
		MaxIdleWorkerDuration:        workerIdle,
		ReadBufferSize:               maxHead,
		ReadTimeout:                  f.options.ReadTimeout,
		IdleTimeout:                  f.options.IdleTimeout,
		MaxRequestBodySize:           f.options.MaxBody,
		StreamRequestBody:            true, // see Body
		HeaderReceived:               f.refuser.limits.headerReceived,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		Logger:                       httpLog{f.options.Log},
	}
	if f.options.BeforeBody != nil {
		f.http.ExpectHandler = f.refuser.expect
	}
}

// Serve answers on ln until Shutdown or a failure that is not the end of
// descriptors or memory. It may run for several listeners at once. It closes ln.
func (f *Front) Serve(ln net.Listener) error {
	l := f.listener(ln)
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return l.Close()
	}
	f.listeners = append(f.listeners, l)
	f.mu.Unlock()
	if err := f.http.Serve(l); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

func (f *Front) listener(ln net.Listener) *listener {
	l := &listener{
		Listener: ln,
		open:     &f.open,
		refusing: &f.refusing,
		reserved: &f.reserved,
		reserve:  &f.reserve,
		tls:      f.options.TLS,
		tidier:   &f.tidier,
		backoffs: &f.options.Faults.backoffs,
		log:      f.options.Log,
		closed:   make(chan struct{}),
	}
	if l.tls != nil {
		l.plain = f.refuser.turnedAway(refusal.PlainHTTP)
	}
	if !f.options.Uncapped {
		l.max = f.options.MaxConnections
		if f.options.Descriptors > 0 {
			l.scarce = f.options.Descriptors - ReservedDescriptors
		}
		l.slack = max(f.options.IdleTimeout/4, 2*time.Second)
		l.clients = f.options.Clients
		l.full = f.refuser.turnedAway(refusal.Connections)
		l.crowded = f.refuser.turnedAway(refusal.ClientConnections)
	}
	return l
}

// Shutdown closes the listeners. Requests that have begun to come are served until
// ctx is done; then those that are still arriving are refused, and what is left is cut.
func (f *Front) Shutdown(ctx context.Context) error {
	f.tidier.memory.Stop()
	f.mu.Lock()
	f.closed = true
	for _, l := range f.listeners {
		_ = l.Close()
	}
	f.mu.Unlock()
	f.open.settle(ctx)
	err := f.http.ShutdownWithContext(ctx)
	f.open.cut()
	f.refusing.cut()
	f.reserved.cut()
	return err
}

// Connections is how many are open, those not counted that were taken over.
func (f *Front) Connections() int { return f.open.len() }

// Collect implements [metric.Source].
func (f *Front) Collect(to metric.Emitter) {
	to.Gauge("connections", "Open HTTP connections on the public listeners, streams not counted.", float64(f.Connections()))
}

// guard recovers: fasthttp does not, and one bad request must not end the process.
func (f *Front) guard(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				f.options.Faults.panics.Add(1)
				f.options.Log.Error("panic in a handler", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
				ctx.Response.Reset()
				f.Refuse(ctx, refusal.Panic)
				f.bodies.finish(ctx)
			}
		}()
		declared, reason, ok := checked(ctx)
		if ok && f.refuser.limits.exceeds(&ctx.Request.Header, declared) {
			reason, ok = refusal.TooLarge, false
		}
		if !ok {
			if reason == refusal.Method {
				ctx.Response.Header.Set(fasthttp.HeaderAllow, AllMethods)
			}
			f.refuser.refuse(ctx, reason, f.refuser.limits.text(ctx, reason))
			return
		}
		c, _ := ctx.Conn().(*conn)
		if c != nil {
			c.in.handled(&ctx.Request.Header)
		}
		next(ctx)
		f.bodies.finish(ctx)
		if c != nil {
			f.answer(ctx, c)
		}
		shrink(ctx)
		if ctx.Request.Header.ConnectionClose() || f.open.leaving.Load() != staying {
			ctx.SetConnectionClose()
		} else if c != nil && !ctx.Response.IsBodyStream() && c.in.holdsBack() {
			flushAtOnce(&ctx.Response)
		}
	}
}

// AllMethods are those that some path has.
const AllMethods = "GET, HEAD, POST, OPTIONS"

// checked is wellFormed, of the request as the connection saw it.
func checked(ctx *fasthttp.RequestCtx) (declared int, reason refusal.Reason, ok bool) {
	if c, ok := ctx.Conn().(*conn); ok && c.in.broken != nil {
		return -1, refusal.Malformed, false
	}
	return wellFormed(&ctx.Request.Header)
}

// httpLog takes what fasthttp logs. Its lines quote addresses and bytes of
// requests: no two are the same, so sampling would let a flood through, and
// requests hold secrets. Only the kind of line is kept; the requests are counted
// by reason.
type httpLog struct{ *zap.Logger }

// Printf implements [fasthttp.Logger].
func (l httpLog) Printf(format string, _ ...any) { l.Debug("http server: " + format) }
