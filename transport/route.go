package transport

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/operate"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/screens"
)

// A route is a path, or several that begin alike, and methods that one handler
// serves. A path may have several routes, for different methods.
type route struct {
	path    string         // exact; one that ends in * is a prefix
	methods string         // as in Allow; empty: any
	on      where          // listeners that serve it
	right   access.Right   // what the one who asks needs
	refusal refusal.Format // of all refusals of the path
	is      traits
	handler fasthttp.RequestHandler
}

// where is a set of listeners.
type where uint8

const (
	public where = 1 << iota // of players, consumers and users
	admin                    // of operators
	// operators is admin, and public as long as operators have no listener of
	// their own.
	operators
)

// traits are what the way to the handler must know of a route.
type traits uint8

const (
	// forPages: for pages of other origins. All answers have the headers of CORS, and
	// preflights are answered.
	forPages traits = 1 << iota

	// takesEvent: the body is one. Clients that wait to be asked for it are told before
	// it comes whether it is taken.
	takesEvent

	// becomesStream, becomesSocket: the connection is taken over, so its client must be allowed
	// another one.
	becomesStream
	becomesSocket

	// probe: is answered when the service has no connection left for anything else.
	probe
)

const (
	ingestMethods = "POST, OPTIONS"
	frontMethods  = "GET, HEAD, OPTIONS"
	readMethods   = "GET, HEAD"
)

// routes is the table of all paths.
func (s *Server) routes() []route {
	const (
		all, publish, consume, operator = access.None, access.Publish, access.Consume, access.Operate
		text, json                      = refusal.Text, refusal.JSON
	)
	r := []route{
		{"/", frontMethods, operators, all, text, probe, s.operate.Front},
		{"/", frontMethods, public, all, text, probe, s.operate.Endpoints},
		{"/metrics", readMethods, operators, operator, text, probe, s.operate.Metrics},
		{"/metrics", ingestMethods, public, publish, text, forPages | takesEvent, s.players.PostAny},
		{"/api/events", ingestMethods, public, publish, text, forPages | takesEvent, s.players.PostObject},
		{ingest.ReportsPath, ingestMethods, public, publish, text, forPages | takesEvent, s.players.PostReports},
		{"/event-dispatcher", "GET", public, consume, text, forPages | becomesStream, s.consumers.Stream},
		{"/events", "GET", public, consume, text, forPages | becomesStream, s.consumers.Stream},
		{"/event-dispatcher", "HEAD", public, consume, text, forPages, s.consumers.Head},
		{"/events", "HEAD", public, consume, text, forPages, s.consumers.Head},
		{"/events/view", readMethods, public, consume, text, forPages, s.consumers.View},
		{"/openapi.json", readMethods, public, all, text, forPages, s.operate.Contract},
		{"/asyncapi.json", readMethods, public, all, text, forPages, s.operate.Contract},

		{"/health", "", public, all, text, forPages | probe, s.operate.Health},
		{"/health", readMethods, admin, all, text, forPages | probe, s.operate.Health},
		{"/livez", readMethods, operators, all, text, probe, s.operate.Live},
		{"/readyz", readMethods, operators, all, text, probe, s.operate.Ready},
		{"/console/stats", readMethods, operators, operator, text, 0, s.operate.Figures},
		{operate.ConsolePrefix + "*", readMethods, operators, all, text, 0, s.orNothing(s.operate.ConsoleFile)},
		{"/rejects", readMethods, operators, operator, text, 0, s.rejects},
		{"/consumers", readMethods, admin, operator, text, 0, s.operate.Consumers},
		{operate.ProfilePrefix + "*", readMethods, admin, operator, text, 0, s.orNothing(operate.Profile)},
	}
	if s.gate != nil {
		r = append(r, route{ticketsPath, ingestMethods, public, consume, text, forPages, s.ticket})
	}
	if s.screens != nil {
		r = append(r, []route{
			{screens.SubmitPath, ingestMethods, public, publish, json, forPages | takesEvent, s.screens.Submit},
			{screens.LatestPrefix + "*", "GET, HEAD, OPTIONS", public, consume, json, forPages, s.screens.Latest},
			{screens.SocketPrefix + "*", "GET", public, consume, text, becomesSocket, s.screens.Socket},
			{screens.DemoPath, readMethods, public, all, text, 0, s.screens.Demo},
			{screens.DemoPath + "/*", readMethods, public, all, text, 0, s.orNothing(s.screens.DemoFile)},
		}...)
	}
	return append(r, route{nowhere + "*", "", public, all, json, 0, s.nothingForUsers})
}

// nowhere is below what has other paths, and has nothing itself but the format of its
// refusals.
const nowhere = "/poc/"

// ticketsPath is there with -access.
const ticketsPath = "/tickets"

// orNothing has a handler say that there is nothing where it found nothing.
func (s *Server) orNothing(serve func(*fasthttp.RequestCtx) (found bool)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !serve(ctx) {
			s.nothing(ctx)
		}
	}
}

// ticket serves POST /tickets.
func (s *Server) ticket(ctx *fasthttp.RequestCtx) {
	answer, reason, ok := s.gate.Issue(ctx)
	if !ok {
		s.refusals.Reject(ctx, reason)
		return
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	reply.JSON(ctx, answer)
}

func (s *Server) rejects(ctx *fasthttp.RequestCtx) { s.operate.Rejects(ctx, s.paths) }

// nothing serves what is not there.
func (s *Server) nothing(ctx *fasthttp.RequestCtx) {
	s.refusals.Explain(ctx, refusal.NotFound, knownPaths)
}

// nothingForUsers serves what is not there among the paths of screens.
func (s *Server) nothingForUsers(ctx *fasthttp.RequestCtx) {
	s.refusals.Explain(ctx, refusal.NotFound, s.sign.toPath(ctx))
}

// knownPaths is for people who mistyped one.
const knownPaths = "events go to /api/events or /metrics and come from /events; / says more"

// refuseTakeover answers a request that may not take its connection over.
func (s *Server) refuseTakeover(is traits) func(*fasthttp.RequestCtx, refusal.Reason) {
	if is&becomesStream != 0 {
		return s.consumers.Refuse // EventSources come again
	}
	return s.refusals.Reject
}
