package transport

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/broker/session"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/bucket"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/operate"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/subscribe"
	"event-dispatcher/transport/view"
)

// Options tunes a [Server]. Zero values mean the defaults that each names.
type Options struct {
	// MaxBody is the largest event accepted, MaxBatch the largest batch of them, in
	// bytes after inflation. Zero means 256 KiB and 4 MiB.
	MaxBody, MaxBatch int

	// Add is what is added to all objects besides the address.
	Add ingest.Stamps

	// StopReports has players told that they should send no more CMCD reports in
	// their session.
	StopReports bool

	// BodiesBytes is the memory for bodies of more than 8 KiB that are arriving, all
	// connections together, and for what bodies inflate to. Zero means 32 MiB; it is at
	// least enough for eight of the largest events and three of the largest batches.
	BodiesBytes int

	// MaxConnections is how many HTTP connections may be open at once, streams
	// not counted. Zero means 8192.
	MaxConnections int

	// Descriptors is how many the process may have; a few of them are left to probes
	// and operators. Zero: nobody knows.
	Descriptors int

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

	// SocketOrigins are the pages, besides those of the service's own host,
	// that may open session sockets. "*" is all.
	SocketOrigins []string

	// TrustedProxies are those whose X-Forwarded-For is believed. Empty means all.
	TrustedProxies []netip.Prefix

	// CompressAuto has streams compressed for all who send Accept-Encoding: gzip, and
	// not only for those whose query asks for it.
	CompressAuto bool

	// Views bounds what a consumer may ask for.
	Views view.Options

	// UserIP is what events say of their player's address. Zero means all.
	UserIP access.UserIP

	// Admin says that metrics and probes have a listener of their own, so the
	// public ones do not serve them.
	Admin bool

	// ConsoleOff has / answer with a few lines of text instead of the console.
	ConsoleOff bool

	// Version is shown by dispatcher_build_info.
	Version string

	// Certificate is that of the public listeners, which then speak TLS and nothing
	// else; AdminCertificate is that of the operators' listener. Nil: no TLS.
	Certificate, AdminCertificate *access.Certificate

	// Gate says who may what. Nil: everybody may everything.
	Gate *access.Gate

	// Degraded lists what does not work although the service does, for
	// /readyz. Nil means what the relay says, if there is one.
	Degraded func() []string

	// Relay takes accepted events to other instances. Nil: there are none.
	Relay *relay.Relay

	// Sessions makes session events known, and Screens has the sockets that show
	// them. Nil: there are none.
	Sessions *session.Service
	Screens  *screens.Hub

	// SessionStore tells what is stored of them, for metrics.
	SessionStore screens.Store

	// Sources are further ones, whose metrics are exposed with the service's own.
	Sources []metric.Source

	// Log gets what an operator should know; never a line per event. Nil means
	// nobody.
	Log *zap.Logger
}

func (o *Options) setDefaults() {
	setDefault(&o.MaxBody, 256<<10)
	setDefault(&o.MaxBatch, 4<<20)
	setDefault(&o.BodiesBytes, 32<<20)
	o.BodiesBytes = max(o.BodiesBytes, 8*o.MaxBody, 3*o.MaxBatch)
	setDefault(&o.MaxConnections, 8192)
	setDefault(&o.ReadTimeout, 10*time.Second)
	setDefault(&o.IdleTimeout, 75*time.Second)
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

// A Server is the rooms, joined by the table of routes, and their life from the
// first listener to the drain. Its methods may be called by any goroutine.
type Server struct {
	// Fixed after New.
	public        *front.Front
	admin         *front.Front
	refusals      *refusal.Desk
	clients       *client.Connections // nil: no limit
	players       *ingest.Players
	consumers     *subscribe.Consumers
	screens       *screens.Screens // nil: there are none
	gate          *access.Gate     // nil: everybody may everything
	operate       *operate.Operators
	paths         []string // by which refusals are counted
	sign, signOps *signpost
}

// New returns a server over a broker and a pool, which it does not own.
func New(b *broker.Broker, p *stream.Pool, o Options) *Server {
	o.setDefaults()
	s := &Server{gate: o.Gate}
	var find func(path []byte) refusal.Route // known when there are routes
	s.refusals = refusal.NewDesk(func(path []byte) refusal.Route { return find(path) })
	cors := access.NewCORS(o.Origins)
	addresses := &client.Addresses{Trusted: o.TrustedProxies}
	s.clients = client.NewConnections(o.ClientConnections, addresses)
	faults := &front.Faults{}
	outer, inner := &router{}, &router{}

	hall := front.Options{
		MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, MaxConnections: o.MaxConnections, Descriptors: o.Descriptors, ReadTimeout: o.ReadTimeout, IdleTimeout: o.IdleTimeout,
		Refusals: s.refusals, Faults: faults, Log: o.Log,
	}
	hall.Bodies, hall.Answers = front.NewBodies(o.BodiesBytes), front.NewAnswers(o.BodiesBytes)
	hall.Uncapped, hall.TLS = true, o.AdminCertificate.Config()
	s.admin = front.New(hall)
	hall.TLS = o.Certificate.Config()
	hall.Uncapped, hall.Clients, hall.CORS = false, s.clients, cors
	hall.Allow = outer.allowUnread
	hall.BodyLimit = func(h *fasthttp.RequestHeader) int { return s.players.BodyLimit(h) }
	hall.BeforeBody = outer.beforeBody(func(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) { return s.players.BeforeBody(ctx) })
	s.public = front.New(hall)

	rates := client.NewRates(o.IngestRate, o.ClientRate, addresses, ownRate(o.Gate))
	s.players = ingest.New(ingest.Options{
		Broker: b, Relay: o.Relay, Addresses: addresses, Rates: rates,
		Refusals: s.refusals, MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, Add: o.Add, UserIP: o.UserIP, Body: s.public.Body, Bodies: hall.Bodies,
		StopReports: func(ctx *fasthttp.RequestCtx) bool { return o.StopReports || access.GrantOf(ctx).CMCDStop },
	})
	var await func(context.Context)
	if o.Relay != nil {
		await = o.Relay.Await
	}
	s.consumers = subscribe.New(subscribe.Options{
		Await:  await,
		Broker: b, Pool: p, Front: s.public, CORS: cors, Refusals: s.refusals, Gate: s.gate, Addresses: addresses,
		Views: view.NewRegistry(o.Views), CompressAuto: o.CompressAuto,
	})
	sources := []metric.Source{s.players, s.refusals, s.public, hall.Bodies, hall.Answers, s.gate, o.Certificate, s.clients, faults, s.consumers}
	if o.Sessions != nil {
		s.screens = screens.New(screens.Options{
			Sessions: o.Sessions, Hub: o.Screens, Store: o.SessionStore, Origins: o.SocketOrigins,
			Players: s.players, Front: s.public, Refusals: s.refusals, Gate: s.gate, Bodies: hall.Bodies,
		})
		sources = append(sources, s.screens)
	}
	sources = append(sources, o.Sources...)
	var sockets func() any
	if o.Screens != nil {
		sockets = func() any { return o.Screens.Inspect() }
	}
	s.operate = operate.New(operate.Options{
		Sockets: sockets,
		Broker:  b, Relay: o.Relay, Pool: p, Degraded: o.Degraded, Sources: sources, Version: o.Version,
		Received: s.players.Received, Refusals: s.refusals, ConsoleOff: o.ConsoleOff,
	})

	routes := s.routes()
	find, s.paths = places(routes)
	s.sign, s.signOps = s.signposts(o.Admin)
	*outer = router{
		table: newTable(routes, func(r route) bool { return r.on&public != 0 || r.on&operators != 0 && !o.Admin }),
		front: s.public, cors: cors, gate: o.Gate, rates: rates, refusals: s.refusals, takeover: s.refuseTakeover, sign: s.sign,
	}
	*inner = router{
		table: newTable(routes, func(r route) bool { return r.on&(admin|operators) != 0 }),
		front: s.admin, cors: cors, gate: o.Gate, rates: rates, refusals: s.refusals, takeover: s.refuseTakeover, sign: s.signOps, readOnly: true,
	}
	s.public.Handle(outer.serve)
	s.admin.Handle(inner.serve)
	return s
}

// ownRate finds the rate of a request's grant.
func ownRate(g *access.Gate) func(*fasthttp.RequestCtx) *bucket.Bucket {
	if g == nil {
		return nil
	}
	return func(ctx *fasthttp.RequestCtx) *bucket.Bucket { return access.GrantOf(ctx).Limit() }
}

// Serve answers on ln until Drain or a failure that is not the end of
// descriptors or memory. It may run for several listeners at once. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	if _, port, err := net.SplitHostPort(ln.Addr().String()); err == nil {
		s.operate.Public(port)
	}
	s.operate.Started()
	return s.public.Serve(ln)
}

// ServeAdmin answers operators on ln, until CloseAdmin. It closes ln.
func (s *Server) ServeAdmin(ln net.Listener) error { return s.admin.Serve(ln) }

// Unready has /readyz say 503 while everything is served as before, so that
// balancers look elsewhere before Drain.
// Each answer ends its connection from now on, so that nobody sends a request on
// one that Drain closes.
func (s *Server) Unready() {
	s.operate.SetState(operate.Draining)
	s.public.Leave()
}

// Moves reports whether events that wait are written.
func (s *Server) Moves() bool { return s.operate.Moves() }

// Drain stops intake: not ready, listeners closed. Events whose requests have begun
// to come are taken until ctx is done. It returns when all connections are closed;
// those still open when ctx is done are cut. What was accepted is then in the ring.
// Streams go on: they are the pool's.
func (s *Server) Drain(ctx context.Context) error {
	s.Unready()
	s.stopSockets()
	err := s.public.Shutdown(ctx)
	s.players.Stop()
	return err
}

func (s *Server) stopSockets() {
	if s.screens != nil {
		s.screens.Stop()
	}
}

// CloseAdmin ends ServeAdmin.
func (s *Server) CloseAdmin(ctx context.Context) error { return s.admin.Shutdown(ctx) }
