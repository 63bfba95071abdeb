package access

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
)

// CORS decides which pages of other origins may talk to the service (WHATWG
// Fetch, "CORS protocol"). With an empty list all may, without credentials, as
// in the original. With a list only those may, with credentials, which JSON
// beacons need.
type CORS struct {
	listed map[string][]reply.Header // what each listed origin is answered; nil: no list
}

// NewCORS returns the policy for a list of origins, as browsers write them.
func NewCORS(origins []string) *CORS {
	if len(origins) == 0 {
		return &CORS{}
	}
	c := &CORS{listed: map[string][]reply.Header{}}
	for _, o := range origins {
		c.listed[o] = []reply.Header{
			varyByOrigin,
			reply.NewHeader(fasthttp.HeaderAccessControlAllowOrigin, o),
			reply.NewHeader(fasthttp.HeaderAccessControlAllowCredentials, "true"),
		}
	}
	return c
}

// Allow sets the headers of an answer to ingest and streams, errors included.
func (c *CORS) Allow(req *fasthttp.RequestHeader, resp *fasthttp.ResponseHeader) {
	for _, h := range c.Headers(req) {
		h.Set(resp)
	}
}

var (
	varyByOrigin   = reply.NewHeader(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	allowEverybody = []reply.Header{reply.NewHeader(fasthttp.HeaderAccessControlAllowOrigin, "*")}
	allowNobody    = []reply.Header{varyByOrigin}
)

// Headers are what an answer to req carries.
func (c *CORS) Headers(req *fasthttp.RequestHeader) []reply.Header {
	if c.listed == nil {
		return allowEverybody
	}
	if list, ok := c.listed[string(req.Peek(fasthttp.HeaderOrigin))]; ok {
		return list
	}
	return allowNobody
}

// MayUpgrade reports whether a page may open a WebSocket, which CORS does not
// apply to. What is no browser says no origin.
func (c *CORS) MayUpgrade(req *fasthttp.RequestHeader) bool {
	origin := req.Peek(fasthttp.HeaderOrigin)
	_, listed := c.listed[string(origin)]
	return len(origin) == 0 || c.listed == nil || listed
}

// Preflight answers OPTIONS. methods is what the path has.
func (c *CORS) Preflight(ctx *fasthttp.RequestCtx, methods string) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderAccessControlAllowMethods, methods)
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, "content-type")
	h.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
	h.Set(fasthttp.HeaderAllow, methods)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
