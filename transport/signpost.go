package transport

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/nearest"
)

// A signpost says, at one listener, where somebody goes who asked for what is not there.
type signpost struct {
	names     []string // paths of this listener
	elsewhere *table   // what the service has, or could have, and not here
	where     string   // says that
	noTickets bool
}

// at is where a path is that this listener does not have, or a method that the path has
// not here; who begins the sentence. Empty: it is nowhere.
func (p *signpost) at(who string, ctx *fasthttp.RequestCtx) string {
	path := ctx.URI().PathOriginal()
	if p.noTickets && string(path) == ticketsPath {
		return "tickets exist only with -access"
	}
	e := p.elsewhere.find(path)
	if e == nil || e.path == nowhere || e.path == "/" || e.route(ctx.Method()) == nil {
		return ""
	}
	return who + " " + p.where
}

// toPath is what to say of a path that is not known here.
func (p *signpost) toPath(ctx *fasthttp.RequestCtx) string {
	if there := p.at("it", ctx); there != "" {
		return there
	}
	if meant := nearest.Name(string(ctx.URI().PathOriginal()), p.names); meant != "" {
		return "did you mean " + meant + "? " + knownPaths
	}
	return knownPaths
}

// toMethod is what to say of a method that a path has not here; empty: nothing.
func (p *signpost) toMethod(ctx *fasthttp.RequestCtx) string {
	if there := p.at(string(ctx.Method()), ctx); there != "" { // a method that a route has, so it may be repeated
		return there
	}
	if (ctx.IsGet() || ctx.IsPost()) && slices.Contains(eventPaths, string(ctx.URI().PathOriginal())) {
		return knownPaths
	}
	return ""
}

// eventPaths are those where events go or come, and people take one for the other.
var eventPaths = []string{"/api/events", "/events", "/event-dispatcher"}

// signposts are those of the public listener and of the operators'.
func (s *Server) signposts(separate bool) (outer, inner *signpost) {
	all := s.routes()
	outside := func(r route) bool {
		return r.on&public == 0 && (r.on&operators == 0 || separate)
	}
	outer = &signpost{elsewhere: newTable(all, outside), where: "needs -admin-addr", noTickets: s.gate == nil}
	if separate {
		outer.where = "is on the admin address"
	}
	inner = &signpost{elsewhere: newTable(all, func(r route) bool { return r.on&public != 0 }), where: "is on the public port", noTickets: s.gate == nil}
	for _, r := range all {
		if strings.HasSuffix(r.path, "*") {
			continue
		}
		if !outside(r) {
			outer.names = append(outer.names, r.path)
		}
		if r.on&(admin|operators) != 0 {
			inner.names = append(inner.names, r.path)
		}
	}
	return outer, inner
}
