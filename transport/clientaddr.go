package transport

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// clientAddress finds the address of the client behind proxies.
type clientAddress struct {
	trusted []netip.Prefix // proxies whose X-Forwarded-For is believed; empty: everybody's
}

// of returns the client's address. X-Forwarded-For lists the client and the
// proxies it came through, each appended by the next one. Without a list of
// trusted proxies the first entry is taken, as in the original; with one, the
// last entry that is not itself a trusted proxy. What is not an address is not
// believed: then it is the peer.
func (a *clientAddress) of(ctx *fasthttp.RequestCtx) netip.Addr {
	peer := peerAddress(ctx.RemoteAddr())
	header := ctx.Request.Header.Peek(fasthttp.HeaderXForwardedFor)
	if len(header) == 0 {
		return peer
	}
	if len(a.trusted) == 0 {
		first, _, _ := bytes.Cut(header, []byte{','})
		if addr, ok := parseForwarded(first); ok {
			return addr
		}
		return peer
	}
	client := peer
	for len(header) > 0 && a.trusts(client) {
		last := header
		if i := bytes.LastIndexByte(header, ','); i >= 0 {
			header, last = header[:i], header[i+1:]
		} else {
			header = nil
		}
		addr, ok := parseForwarded(last)
		if !ok {
			break
		}
		client = addr
	}
	return client
}

func (a *clientAddress) trusts(addr netip.Addr) bool {
	for _, p := range a.trusted {
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
	text := string(entry)
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if n := len(text); text[0] == '[' && text[n-1] == ']' {
		if addr, err := netip.ParseAddr(text[1 : n-1]); err == nil {
			return addr.Unmap().WithZone(""), true
		}
	}
	return netip.Addr{}, false
}

// peerAddress is the address of the connection's other end; zero if it has none.
func peerAddress(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
