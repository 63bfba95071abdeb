package client

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// Addresses finds the addresses of clients behind proxies.
type Addresses struct {
	// Trusted are the proxies whose X-Forwarded-For is believed; empty: everybody's.
	Trusted []netip.Prefix
}

// Of returns the client's address. X-Forwarded-For lists the client and the
// proxies it came through, each appended by the next one. Without a list of
// trusted proxies the first entry is taken, as in the original; with one, the
// last entry that is not itself a trusted proxy. What is not an address is not
// believed: then it is the peer.
//
// A proxy may append to the last header line or add one of its own (RFC 9110,
// section 5.3): all lines together are the list.
func (a *Addresses) Of(ctx *fasthttp.RequestCtx) netip.Addr {
	peer := Peer(ctx.RemoteAddr())
	lines := ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor)
	if len(lines) == 0 {
		return peer
	}
	if len(a.Trusted) == 0 {
		for _, line := range lines {
			for len(line) > 0 {
				var entry []byte
				if entry, line, _ = bytes.Cut(line, []byte{','}); isEmpty(entry) {
					continue
				}
				if addr, ok := parseForwarded(entry); ok {
					return addr
				}
				return peer
			}
		}
		return peer
	}
	client := peer
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			if !a.trusts(client) {
				return client
			}
			entry := line
			if i := bytes.LastIndexByte(line, ','); i >= 0 {
				line, entry = line[:i], line[i+1:]
			} else {
				more = false
			}
			if isEmpty(entry) {
				continue
			}
			addr, ok := parseForwarded(entry)
			if !ok {
				return client
			}
			client = addr
		}
	}
	return client
}

// isEmpty reports whether an entry is to be passed over (RFC 9110, section 5.6.1.2).
func isEmpty(entry []byte) bool { return len(bytes.Trim(entry, " \t")) == 0 }

// trusts reports whether addr is a proxy on the list.
func (a *Addresses) trusts(addr netip.Addr) bool {
	for _, p := range a.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseForwarded reads one entry of X-Forwarded-For: an address, perhaps with a
// port, perhaps in brackets.
func parseForwarded(entry []byte) (netip.Addr, bool) {
	entry = bytes.TrimSpace(entry)
	if len(entry) == 0 || len(entry) > 64 {
		return netip.Addr{}, false
	}
	// Only errors keep the text, and they are dropped here.
	text := unsafe.String(&entry[0], len(entry))
	var addr netip.Addr
	var err error
	switch {
	case text[0] == '[' && text[len(text)-1] == ']':
		if addr, err = netip.ParseAddr(text[1 : len(text)-1]); err == nil && addr.Is4() {
			return netip.Addr{}, false
		}
	case text[0] == '[' || strings.Count(text, ":") == 1:
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(text)
		addr = ap.Addr()
	default:
		addr, err = netip.ParseAddr(text)
	}
	return addr.Unmap().WithZone(""), err == nil
}

// Network is what limits per client take for one client: its address, and in
// IPv6 the /64, which is what one subscriber is given. It is the zero prefix for a
// peer without an address.
func Network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits)
	return network
}

// Peer is the address of the connection's other end; zero if it has none.
func Peer(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
