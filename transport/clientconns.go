package transport

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// clientConnections counts the connections that each client holds, streams and
// sockets among them. A client that is not in the table holds none, so the table
// is no larger than the caps of all connections together.
//
//  1. A connection has at most one place in the table: its own from accept on, or,
//     if its peer is a trusted proxy, that of the client behind it from the moment
//     at which a stream or socket takes it over.
//  2. A place is given back once, by whoever takes it out of the connection.
type clientConnections struct {
	max     int // per client
	proxies *clientAddress

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// newClientConnections returns nil, which does not count, if there is no limit.
func newClientConnections(limit int, proxies *clientAddress) *clientConnections {
	if limit == 0 {
		return nil
	}
	return &clientConnections{max: limit, proxies: proxies, held: map[netip.Prefix]int{}}
}

// enter takes a place, and reports whether the client had one left.
func (cc *clientConnections) enter(client netip.Prefix) bool {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.held[client] >= cc.max {
		return false
	}
	cc.held[client]++
	return true
}

func (cc *clientConnections) leave(client netip.Prefix) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.held[client]--; cc.held[client] == 0 {
		delete(cc.held, client)
	}
}

// stats returns how many clients hold connections, and the most that one holds.
func (cc *clientConnections) stats() (clients, most int) {
	if cc == nil {
		return 0, 0
	}
	cc.mu.Lock()
	defer cc.mu.Unlock()
	for _, n := range cc.held {
		most = max(most, n)
	}
	return len(cc.held), most
}

// admit counts a connection that was accepted, and reports whether its client may
// have it. What has no address is not counted.
func (cc *clientConnections) admit(nc net.Conn) (net.Conn, bool) {
	tcp, ok := nc.(*net.TCPConn)
	if cc == nil || !ok {
		return nc, true
	}
	c := &clientConn{TCPConn: tcp, table: cc}
	peer := peerAddress(nc.RemoteAddr())
	if cc.proxies.trusts(peer) {
		return c, true
	}
	return c, c.enter(peer)
}

// A clientConn is a connection whose end gives its place back.
type clientConn struct {
	*net.TCPConn
	table *clientConnections
	place atomic.Pointer[netip.Prefix] // nil: none
}

// enter takes a place of the client's for a connection that has none.
func (c *clientConn) enter(client netip.Addr) bool {
	place := clientNetwork(client)
	if !c.table.enter(place) {
		return false
	}
	c.place.Store(&place)
	return true
}

// leave gives the place back, if there is one.
func (c *clientConn) leave() {
	if place := c.place.Swap(nil); place != nil {
		c.table.leave(*place)
	}
}

// Close may be called again.
func (c *clientConn) Close() error {
	c.leave()
	return c.TCPConn.Close()
}

// keepPlace has the place outlast the connection: who calls it has a descriptor of
// his own, and gives the place back when that is closed.
func keepPlace(nc net.Conn) (giveBack func()) {
	c, ok := nc.(*clientConn)
	if !ok {
		return nil
	}
	place := c.place.Swap(nil)
	if place == nil {
		return nil
	}
	return func() { c.table.leave(*place) }
}

// streamOfClient is stream for a client that may hold another connection.
func (s *Server) streamOfClient(ctx *fasthttp.RequestCtx) {
	s.ofClient(ctx, s.stream, func() { s.refuseConsumer(ctx, reasonClientConnections) })
}

// ofClient serves a request that takes its connection over. If that is a trusted
// proxy's, it becomes the client's, or the request is refused.
func (s *Server) ofClient(ctx *fasthttp.RequestCtx, serve fasthttp.RequestHandler, refuse func()) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		serve(ctx)
		return
	}
	cc, ok := c.Conn.(*clientConn)
	if !ok || cc.place.Load() != nil {
		serve(ctx)
		return
	}
	if !cc.enter(s.clients.of(ctx)) {
		refuse()
		return
	}
	serve(ctx)
	if !ctx.Hijacked() {
		cc.leave()
	}
}
