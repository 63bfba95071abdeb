package front

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/client"
)

// A reserve has places beyond the cap of connections, for probes: an orchestrator
// must not restart an instance because strangers hold its connections. A connection
// with such a place is for one request, and only probes are answered.
type reserve struct {
	mu   sync.Mutex
	held map[netip.Prefix]int
	all  int
}

const (
	reservePlaces    = 32
	reservePerClient = 2               // so one client cannot have them all
	reserveTime      = 2 * time.Second // for the request to arrive
)

// enter takes a place for the client at the other end.
func (r *reserve) enter(nc net.Conn) (place netip.Prefix, ok bool) {
	place = client.Network(client.Peer(nc.RemoteAddr()))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= reservePlaces || r.held[place] >= reservePerClient {
		return place, false
	}
	if r.held == nil {
		r.held = map[netip.Prefix]int{}
	}
	r.held[place]++
	r.all++
	return place, true
}

func (r *reserve) leave(place netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.held[place]--; r.held[place] == 0 {
		delete(r.held, place)
	}
}

// Reserved reports whether a request came by a connection for probes. It is then
// the last one.
func (f *Front) Reserved(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*conn)
	if !ok || c.reserve == nil {
		return false
	}
	ctx.SetConnectionClose()
	return true
}
