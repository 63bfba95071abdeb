package client

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/bare"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
)

// Connections counts the connections that each client holds, streams and
// sockets among them. A client that is not in the table holds none, so the table
// is no larger than the caps of all connections together.
//
//  1. A connection has at most one place in the table: its own from accept on, or,
//     if its peer is a trusted proxy, that of the client behind it from the moment
//     at which a stream or socket takes it over.
//  2. A place is given back once, by the goroutine that takes it out of the connection.
type Connections struct {
	max     int // per client
	proxies *Addresses

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// NewConnections returns nil, which does not count, if there is no limit.
func NewConnections(limit int, proxies *Addresses) *Connections {
	if limit == 0 {
		return nil
	}
	return &Connections{max: limit, proxies: proxies, held: map[netip.Prefix]int{}}
}

// enter takes a place, and reports whether the client had one left.
func (cc *Connections) enter(client netip.Prefix) bool {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.held[client] >= cc.max {
		return false
	}
	cc.held[client]++
	return true
}

func (cc *Connections) leave(client netip.Prefix) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.held[client]--; cc.held[client] == 0 {
		delete(cc.held, client)
	}
}

// Stats returns how many clients hold connections, and the most that one holds.
func (cc *Connections) Stats() (clients, most int) {
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

// Held is how many connections the client with an address holds.
func (cc *Connections) Held(addr netip.Addr) int {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.held[Network(addr)]
}

// Collect implements [metric.Source].
func (cc *Connections) Collect(to metric.Emitter) {
	clients, most := cc.Stats()
	to.Gauge("clients", "Clients that hold connections; 0 if -client-connections is off.", float64(clients))
	to.Gauge("client_connections_max", "Connections of the client that holds most; 0 if -client-connections is off.", float64(most))
}

// Admit counts a connection that was accepted, and reports whether its client may
// have it. What has no address is not counted.
func (cc *Connections) Admit(nc net.Conn) (net.Conn, bool) {
	tcp, ok := nc.(*net.TCPConn)
	if cc == nil || !ok {
		return nc, true
	}
	c := &clientConn{TCPConn: tcp, table: cc}
	peer := Peer(nc.RemoteAddr())
	if cc.proxies.trusts(peer) {
		return c, true
	}
	return c, c.enter(peer)
}

// A clientConn is a connection whose end gives its place back.
type clientConn struct {
	*net.TCPConn
	table *Connections
	place atomic.Pointer[netip.Prefix] // nil: none
}

// counted is the connection that has the place, also under TLS.
func counted(nc net.Conn) (*clientConn, bool) {
	c, ok := bare.Conn(nc).(*clientConn)
	return c, ok
}

// enter takes a place of the client's for a connection that has none.
func (c *clientConn) enter(client netip.Addr) bool {
	place := Network(client)
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

// KeepPlace has the place outlast the connection: who calls it has a descriptor of
// his own, and gives the place back when that is closed.
func KeepPlace(nc net.Conn) (giveBack func()) {
	c, ok := counted(nc)
	if !ok {
		return nil
	}
	place := c.place.Swap(nil)
	if place == nil {
		return nil
	}
	return func() { c.table.leave(*place) }
}

// Serve serves a request that takes its connection, which the listener admitted,
// over. If that is a trusted proxy's, it becomes the client's, or the request is
// refused.
func (cc *Connections) Serve(ctx *fasthttp.RequestCtx, nc net.Conn, serve fasthttp.RequestHandler, refuse func(*fasthttp.RequestCtx, refusal.Reason)) {
	c, ok := counted(nc)
	if !ok || c.place.Load() != nil {
		serve(ctx)
		return
	}
	if !c.enter(cc.proxies.Of(ctx)) {
		refuse(ctx, refusal.ClientConnections)
		return
	}
	serve(ctx)
	if !ctx.Hijacked() {
		c.leave()
	}
}
