package transport

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
)

// A table finds the routes of a path, exactly as it was sent: //metrics and
// /x/../metrics are other paths.
type table struct {
	exact    map[string]*entry
	prefixes []*entry // in the order of the routes
}

// An entry is a path with its routes on one listener.
type entry struct {
	path   string // of a prefix, without the *
	routes []served
	allow  string // all methods, for 405
	pages  bool   // one of the routes is for pages of other origins
	takes  bool   // one of the routes takes events
}

// served is a route with what is worked out of it.
type served struct {
	route
	verbs     []string // those that the handler serves; OPTIONS is the preflight
	preflight bool     // OPTIONS is one, whatever its headers
}

// newTable keeps the routes that serve on says.
func newTable(routes []route, serves func(route) bool) *table {
	t := &table{exact: map[string]*entry{}}
	for _, r := range routes {
		if !serves(r) {
			continue
		}
		e := t.entry(r.path)
		methods := served{route: r}
		for m := range strings.SplitSeq(r.methods, ", ") {
			if m == fasthttp.MethodOptions && r.is&forPages != 0 {
				methods.preflight = true
			} else {
				methods.verbs = append(methods.verbs, m)
			}
		}
		e.routes = append(e.routes, methods)
		e.allow = strings.TrimPrefix(e.allow+", "+r.methods, ", ")
		e.pages = e.pages || r.is&forPages != 0
		e.takes = e.takes || r.is&takesEvent != 0
	}
	return t
}

// entry returns that of a path, a new one if there is none yet.
func (t *table) entry(path string) *entry {
	if prefix, ok := strings.CutSuffix(path, "*"); ok {
		for _, e := range t.prefixes {
			if e.path == prefix {
				return e
			}
		}
		e := &entry{path: prefix}
		t.prefixes = append(t.prefixes, e)
		return e
	}
	if t.exact[path] == nil {
		t.exact[path] = &entry{path: path}
	}
	return t.exact[path]
}

// find returns nil if no route has the path.
func (t *table) find(path []byte) *entry {
	if e := t.exact[string(path)]; e != nil {
		return e
	}
	for _, e := range t.prefixes {
		if len(path) >= len(e.path) && string(path[:len(e.path)]) == e.path {
			return e
		}
	}
	return nil
}

// route is the one that serves a method of the path; nil if none does.
func (e *entry) route(method []byte) *served {
	for i := range e.routes {
		if r := &e.routes[i]; r.methods == "" || r.serves(method) {
			return r
		}
	}
	return nil
}

func (r *served) serves(method []byte) bool {
	for _, v := range r.verbs {
		if v == string(method) {
			return true
		}
	}
	return false
}

// preflight is the route that a CORS preflight asks for: any OPTIONS where the route
// lists it, elsewhere one that says what it is. Nil: it is none.
func (e *entry) preflight(ctx *fasthttp.RequestCtx) *served {
	if !ctx.IsOptions() {
		return nil
	}
	asks := len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0
	for i := range e.routes {
		if r := &e.routes[i]; r.is&forPages != 0 && (asks || r.preflight) {
			return r
		}
	}
	return nil
}

// A router serves the requests of one listener by its table.
type router struct {
	table    *table
	front    *front.Front
	cors     *access.CORS
	gate     *access.Gate // nil: everybody may everything
	rates    *client.Rates
	refusals *refusal.Desk
	sign     *signpost
	readOnly bool // operators only read, also what is not there
	takeover func(traits) func(*fasthttp.RequestCtx, refusal.Reason)
}

var root = []byte("/")

// serve answers a request.
func (r *router) serve(ctx *fasthttp.RequestCtx) {
	reserved := r.front.Reserved(ctx)
	path := ctx.URI().PathOriginal()
	switch {
	case len(path) == 0: // http://host and nothing behind it (RFC 9110, section 4.2.3)
		path = root
	case ctx.IsOptions() && string(ctx.Request.Header.RequestURI()) == "*": // what the whole server can do (9.3.7)
		ctx.Response.Header.Set(fasthttp.HeaderAllow, front.AllMethods)
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	e := r.table.find(path)
	if e == nil {
		r.unknown(ctx)
		return
	}
	if found := e.route(ctx.Method()); found != nil {
		r.serveRoute(ctx, found, reserved)
		return
	}
	r.allow(ctx, e)
	if found := e.preflight(ctx); found != nil {
		if found.is&takesEvent != 0 && !r.cors.MayPublish(&ctx.Request.Header) {
			r.refusals.Reject(ctx, refusal.Origin)
			return
		}
		r.cors.Preflight(ctx, found.methods)
		return
	}
	r.refusals.RejectMethod(ctx, e.allow, r.sign.toMethod(ctx))
}

// unknown answers a request for a path that this listener does not have.
func (r *router) unknown(ctx *fasthttp.RequestCtx) {
	switch {
	case !r.readOnly:
		r.allow(ctx, nil)
	case !ctx.IsGet() && !ctx.IsHead():
		r.refusals.RejectMethod(ctx, readMethods, r.sign.toMethod(ctx))
		return
	}
	r.refusals.Explain(ctx, refusal.NotFound, r.sign.toPath(ctx))
}

func (r *router) serveRoute(ctx *fasthttp.RequestCtx, found *served, reserved bool) {
	switch {
	case found.is&takesEvent != 0:
		r.cors.AllowPlayer(&ctx.Request.Header, &ctx.Response.Header)
	case found.is&forPages != 0:
		r.cors.Allow(&ctx.Request.Header, &ctx.Response.Header)
	}
	if reserved && found.is&probe == 0 {
		r.front.Refuse(ctx, refusal.Connections)
		return
	}
	if reason, ok := r.admits(ctx, found); !ok {
		r.refusals.Reject(ctx, reason)
		return
	}
	if found.is&(becomesStream|becomesSocket) == 0 {
		found.handler(ctx)
		return
	}
	r.front.OfClient(ctx, found.handler, r.takeover(found.is))
}

// allow sets the headers of CORS for a request that no handler serves; nil stands for
// a path that is not known.
func (r *router) allow(ctx *fasthttp.RequestCtx, e *entry) {
	switch {
	case e == nil || e.takes:
		r.cors.AllowPlayer(&ctx.Request.Header, &ctx.Response.Header)
	case e.pages:
		r.cors.Allow(&ctx.Request.Header, &ctx.Response.Header)
	}
}

// allowUnread is allow for a request of which perhaps not even the path is known.
func (r *router) allowUnread(ctx *fasthttp.RequestCtx) {
	e := r.table.find(ctx.URI().PathOriginal())
	if e != nil && !e.takes {
		r.cors.Allow(&ctx.Request.Header, &ctx.Response.Header)
		return
	}
	r.allow(ctx, e)
}

// admits reports whether the one who asks has the route's right.
func (r *router) admits(ctx *fasthttp.RequestCtx, found *served) (refusal.Reason, bool) {
	if found.is&takesEvent != 0 && !r.cors.MayPublish(&ctx.Request.Header) {
		return refusal.Origin, false
	}
	if r.gate == nil {
		return 0, true
	}
	return r.gate.Admit(ctx, front.Memo(ctx), found.right, r.rates)
}

// beforeBody decides for a request whose client waits to be asked for its body.
func (r *router) beforeBody(admit func(*fasthttp.RequestCtx) (refusal.Reason, bool)) func(*fasthttp.RequestCtx) (refusal.Reason, bool) {
	return func(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
		e := r.table.find(ctx.URI().PathOriginal())
		if e == nil {
			return 0, true // refused when the body has come
		}
		found := e.route(ctx.Method())
		if found == nil {
			return 0, true
		}
		if reason, ok := r.admits(ctx, found); !ok || found.is&takesEvent == 0 {
			return reason, ok
		}
		return admit(ctx)
	}
}

// places gives each path of the routes a place in the counters of refusals; place 0
// is for all others.
func places(routes []route) (find func(path []byte) refusal.Route, names []string) {
	t := newTable(routes, func(route) bool { return true })
	names = []string{"other"}
	for _, r := range routes {
		if !slices.Contains(names, r.path) {
			names = append(names, r.path)
		}
	}
	if len(names) > refusal.MaxRoutes {
		panic(fmt.Sprintf("transport: %d paths, and refusals are counted for at most %d", len(names), refusal.MaxRoutes))
	}
	place := map[*entry]refusal.Route{}
	for i, name := range names[1:] {
		e := t.entry(name)
		place[e] = refusal.Route{Index: i + 1, Format: e.routes[0].refusal}
	}
	return func(path []byte) refusal.Route { return place[t.find(path)] }, names
}
