package front

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// TakeOver takes the connection away from the HTTP server and gives it to serve,
// with what came behind the request. If the connection fails before, the HTTP
// server does not say so; then forget gives back what was reserved for it.
func (f *Front) TakeOver(ctx *fasthttp.RequestCtx, forget func(), serve func(nc net.Conn, early []byte)) {
	f.tidier.handshake()
	c, ok := ctx.Conn().(*conn)
	if !ok {
		panic("front: a connection that no listener of ours accepted")
	}
	c.abandoned.Store(&forget)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(nc net.Conn) {
		early := buffered(nc)
		serve(c.take(), early)
	})
}

// OfClient serves a request that takes its connection over, if its client may hold
// another one; otherwise refuse answers.
func (f *Front) OfClient(ctx *fasthttp.RequestCtx, serve fasthttp.RequestHandler, refuse func(*fasthttp.RequestCtx, refusal.Reason)) {
	if c, ok := ctx.Conn().(*conn); ok && f.options.Clients != nil {
		f.options.Clients.Serve(ctx, c.Conn, serve, refuse)
		return
	}
	serve(ctx)
}

// buffered is what the HTTP server has read beyond the request. A peer waits for
// the answer before it sends more (RFC 6455, section 4.1), so it is mostly nothing.
func buffered(nc net.Conn) []byte {
	nc.SetReadDeadline(time.Unix(1, 0)) // nothing more from the socket
	defer nc.SetReadDeadline(time.Time{})
	var all []byte
	for p := make([]byte, 512); ; {
		n, err := nc.Read(p)
		all = append(all, p[:n]...)
		if err != nil || n == 0 {
			return all
		}
	}
}

// take detaches the bare connection, so that the HTTP server does not close it: it is
// not HTTP any more.
func (c *conn) take() net.Conn {
	c.abandoned.Store(nil)
	c.open.remove(c)
	nc := c.Conn
	c.Conn = taken{}
	return nc
}

// taken stands where a connection was. Only the HTTP server's last Close finds it.
type taken struct{ net.Conn }

func (taken) Close() error { return nil }
