package access

import (
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
)

// CORS decides which pages of other origins may talk to the service (WHATWG
// Fetch, "CORS protocol"). With an empty list all may, with a list only those.
//
// Players' pages may also send credentials: browsers do so with JSON beacons and
// with fetches that outlive the page, and drop them silently where "*" is all that
// the answer allows. Nothing here reads cookies, so it gives nothing away.
type CORS struct {
	listed map[string][]reply.Header // what each listed origin is answered; nil: no list
	list   []string                  // with those that stand for several
}

// NewCORS returns the policy for a list of origins, as browsers write them.
func NewCORS(origins []string) *CORS {
	if len(origins) == 0 {
		return &CORS{}
	}
	c := &CORS{listed: map[string][]reply.Header{}, list: origins}
	for _, o := range origins {
		c.listed[o] = allowOne(o)
	}
	return c
}

func allowOne(origin string) []reply.Header {
	return []reply.Header{
		varyByOrigin,
		reply.NewHeader(fasthttp.HeaderAccessControlAllowOrigin, origin),
		allowCredentials,
	}
}

// Allow sets the headers of an answer to consumers, errors included.
func (c *CORS) Allow(req *fasthttp.RequestHeader, resp *fasthttp.ResponseHeader) {
	for _, h := range c.Headers(req) {
		h.Set(resp)
	}
}

// AllowPlayer sets the headers of an answer to players, errors included.
func (c *CORS) AllowPlayer(req *fasthttp.RequestHeader, resp *fasthttp.ResponseHeader) {
	origin := req.Peek(fasthttp.HeaderOrigin)
	if c.listed != nil || len(origin) == 0 {
		c.Allow(req, resp)
		return
	}
	varyByOrigin.Set(resp)
	resp.SetCanonical(allowOrigin, origin)
	allowCredentials.Set(resp)
}

// MayPublish reports whether a page may send events.
func (c *CORS) MayPublish(req *fasthttp.RequestHeader) bool { return c.MayUpgrade(req) }

var allowOrigin = []byte(fasthttp.HeaderAccessControlAllowOrigin)

var (
	allowCredentials = reply.NewHeader(fasthttp.HeaderAccessControlAllowCredentials, "true")

	varyByOrigin   = reply.NewHeader(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	allowEverybody = []reply.Header{reply.NewHeader(fasthttp.HeaderAccessControlAllowOrigin, "*")}
	allowNobody    = []reply.Header{varyByOrigin}
)

// Headers are what an answer to req carries.
func (c *CORS) Headers(req *fasthttp.RequestHeader) []reply.Header {
	if c.listed == nil {
		return allowEverybody
	}
	origin := req.Peek(fasthttp.HeaderOrigin)
	if list, ok := c.listed[string(origin)]; ok {
		return list
	}
	if among(c.list, string(origin)) {
		return allowOne(string(origin))
	}
	return allowNobody
}

// MayUpgrade reports whether a page may open a WebSocket, which CORS does not
// apply to. What is no browser says no origin; a page of the service's own host needs no
// permission.
func (c *CORS) MayUpgrade(req *fasthttp.RequestHeader) bool {
	if c.listed == nil {
		return true
	}
	origin := req.Peek(fasthttp.HeaderOrigin)
	if _, listed := c.listed[string(origin)]; listed || len(origin) == 0 {
		return true
	}
	return among(c.list, string(origin)) || own(strings.ToLower(string(origin)), req)
}

// allowedHeaders are what pages may add to a request: what our own protocols need,
// what polyfills of EventSource set, and what scripts of monitoring services put on
// every request. Those that say who the client is, such as X-Forwarded-For, are not
// for pages.
const allowedHeaders = "accept, authorization, baggage, b3, cache-control, content-encoding, content-type, " +
	"elastic-apm-traceparent, last-event-id, newrelic, pragma, sentry-trace, traceparent, tracestate, " +
	"x-b3-flags, x-b3-parentspanid, x-b3-sampled, x-b3-spanid, x-b3-traceid, " +
	"x-datadog-origin, x-datadog-parent-id, x-datadog-sampling-priority, x-datadog-trace-id, " +
	"x-correlation-id, x-request-id, x-requested-with"

// Preflight answers OPTIONS. methods is what the path has.
func (c *CORS) Preflight(ctx *fasthttp.RequestCtx, methods string) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderAccessControlAllowMethods, methods)
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, allowedHeaders)
	h.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
	h.Set(fasthttp.HeaderAllow, methods)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
