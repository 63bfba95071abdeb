package transport

import (
	"github.com/valyala/fasthttp"
)

// cors decides which pages of other origins may talk to the service (WHATWG
// Fetch, "CORS protocol"). With an empty list all may, without credentials, as
// in the original. With a list only those may, with credentials, which JSON
// beacons need.
type cors struct {
	listed map[string][]header // what each listed origin is answered; nil: no list
}

func newCORS(origins []string) cors {
	if len(origins) == 0 {
		return cors{}
	}
	c := cors{listed: map[string][]header{}}
	for _, o := range origins {
		c.listed[o] = []header{
			varyByOrigin,
			newHeader(fasthttp.HeaderAccessControlAllowOrigin, o),
			newHeader(fasthttp.HeaderAccessControlAllowCredentials, "true"),
		}
	}
	return c
}

// allow sets the headers of an answer to ingest and streams, errors included.
func (c *cors) allow(req *fasthttp.RequestHeader, resp *fasthttp.ResponseHeader) {
	for _, h := range c.headers(req) {
		resp.SetCanonical(h.key, h.value)
	}
}

// A header is one line of a response head. Its key is in canonical form.
type header struct{ key, value []byte }

func newHeader(key, value string) header { return header{[]byte(key), []byte(value)} }

var (
	varyByOrigin   = newHeader(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	allowEverybody = []header{newHeader(fasthttp.HeaderAccessControlAllowOrigin, "*")}
	allowNobody    = []header{varyByOrigin}
)

// exposeEventID lets a page read the header that names its event.
var exposeEventID = newHeader(fasthttp.HeaderAccessControlExposeHeaders, eventIDHeader)

// headers are what an answer to req carries.
func (c *cors) headers(req *fasthttp.RequestHeader) []header {
	if c.listed == nil {
		return allowEverybody
	}
	if list, ok := c.listed[string(req.Peek(fasthttp.HeaderOrigin))]; ok {
		return list
	}
	return allowNobody
}

// mayUpgrade reports whether a page may open a WebSocket, which CORS does not
// apply to. What is no browser says no origin.
func (c *cors) mayUpgrade(req *fasthttp.RequestHeader) bool {
	origin := req.Peek(fasthttp.HeaderOrigin)
	_, listed := c.listed[string(origin)]
	return len(origin) == 0 || c.listed == nil || listed
}

// preflight answers OPTIONS. methods is what the path has.
func (c *cors) preflight(ctx *fasthttp.RequestCtx, methods string) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderAccessControlAllowMethods, methods)
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, "content-type")
	h.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
	h.Set(fasthttp.HeaderAllow, methods)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
