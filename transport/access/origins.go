package access

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// Origin spells an origin of a list as browsers send it (RFC 6454, section 6.2): in lower
// case, without the default port of its scheme. "null" and "file://" are what pages
// without an origin of their own send. https://*.example.com stands for all hosts
// below example.com, and not for itself. What no browser can ever send is an error.
func Origin(s string) (string, error) {
	s = strings.ToLower(s)
	if s == "null" || s == "file://" {
		return s, nil
	}
	bad := fmt.Errorf("%q is not an origin such as https://example.org, https://*.example.org or null", s)
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Scheme+"://"+u.Host != s {
		return "", bad
	}
	name, wild := strings.CutPrefix(u.Hostname(), "*.")
	if name == "" || strings.ContainsAny(name, "* ,%") || strings.HasSuffix(u.Host, ":") {
		return "", bad
	}
	for i := range len(name) {
		if name[i] >= 0x80 { // browsers send punycode
			return "", bad
		}
	}
	if _, err := netip.ParseAddr(name); wild && err == nil {
		return "", bad
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", bad
		}
	}
	return withoutDefaultPort(u.Scheme, s), nil
}

// withoutDefaultPort is what is left of an origin or a host.
func withoutDefaultPort(scheme, s string) string {
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(s, ":80")
	case "https", "wss":
		return strings.TrimSuffix(s, ":443")
	}
	return s
}

// maxHost is how long the name of a host may be (RFC 1035, section 2.3.4): answers repeat it, and those
// to streams are kept until they are read.
const maxHost = 253

// among reports whether a list has an origin, as a browser sent it: itself, or by a
// wildcard.
func among(list []string, origin string) bool {
	if slices.Contains(list, origin) {
		return true
	}
	for _, o := range list {
		before, after, ok := strings.Cut(o, "*")
		if ok && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after) && len(origin) > len(before)+len(after) {
			name := origin[len(before) : len(origin)-len(after)]
			if len(name) <= maxHost && !strings.ContainsAny(name, "/:@?#") && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") {
				return true
			}
		}
	}
	return false
}

// own reports whether an origin is that of the service itself, by the Host that the
// request is for.
func own(origin string, h *fasthttp.RequestHeader) bool {
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || host == "" || !strings.HasPrefix(scheme, "http") {
		return false
	}
	return withoutDefaultPort(scheme, host) == withoutDefaultPort(scheme, strings.ToLower(string(h.Host())))
}

// SocketOrigins are the pages, besides those of the service's own host, that may
// open session sockets; "*" is all.
type SocketOrigins []string

// MayOpen is the check of the origin: a WebSocket is not subject to CORS, so that
// without it any page could act as the user whose browser shows it. What is no
// browser says no origin.
func (o SocketOrigins) MayOpen(h *fasthttp.RequestHeader) bool {
	origin := strings.ToLower(string(h.Peek(fasthttp.HeaderOrigin)))
	return origin == "" || slices.Contains(o, "*") || among(o, origin) || own(origin, h)
}
