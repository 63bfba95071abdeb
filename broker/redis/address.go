package redis

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// An Address is that of one server or several. Several hosts with ports are no URL, so
// it is taken apart before package url reads a part of it.
type Address struct {
	Scheme string
	Login  string // with the @ behind it; may be empty
	Hosts  string // with commas between them
	Tail   string // path, query and fragment
}

// SplitAddress takes an address apart. Nothing of it is checked.
func SplitAddress(address string) (a Address, ok bool) {
	scheme, authority, ok := strings.Cut(address, "://")
	if !ok {
		return a, false
	}
	a.Scheme = scheme
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority, a.Tail = authority[:i], authority[i:]
	}
	i := strings.LastIndexByte(authority, '@') + 1
	a.Login, a.Hosts = authority[:i], authority[i:]
	return a, true
}

// SchemeAgain reports whether a scheme also stands before another host.
func (a Address) SchemeAgain() bool {
	return strings.Contains(a.Login+a.Hosts+a.Tail, "://")
}

// WithPort is host:port, with the given port if the host has none. IPv6 is in
// brackets.
func WithPort(host, port string) (string, bool) {
	u, err := url.Parse("//" + host)
	if err != nil || u.Host != host || u.Hostname() == "" {
		return "", false
	}
	if p := u.Port(); p != "" {
		port = p
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return net.JoinHostPort(u.Hostname(), port), err == nil && n > 0
}
