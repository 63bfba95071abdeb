package access

import (
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// SocketOrigins are the pages, besides those of the service's own host, that may
// open session sockets; "*" is all.
type SocketOrigins []string

// MayOpen is the check of the origin: a WebSocket is not subject to CORS, so that
// without it any page could act as the user whose browser shows it. What is no
// browser says no origin.
func (o SocketOrigins) MayOpen(h *fasthttp.RequestHeader) bool {
	origin := strings.ToLower(string(h.Peek(fasthttp.HeaderOrigin)))
	if origin == "" || slices.Contains(o, "*") || slices.Contains(o, origin) {
		return true
	}
	return ownOrigin(origin, h)
}

// ownOrigin reports whether an origin is that of the service as the client sees it.
func ownOrigin(origin string, h *fasthttp.RequestHeader) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, string(h.Host()))
}
