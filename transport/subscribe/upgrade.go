package subscribe

import (
	"net"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/bare"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// upgrade serves GET /event-dispatcher and GET /events with an Upgrade header.
// Pages of all origins may, as over Server-Sent Events, unless there is a list.
func (c *Consumers) upgrade(ctx *fasthttp.RequestCtx) {
	handshake, reason, ok := websocket.Check(ctx)
	if ok {
		handshake.Protocol, reason, ok = access.Protocol(ctx)
	}
	if !ok {
		c.options.Refusals.Reject(ctx, reason)
		return
	}
	if !c.options.CORS.MayUpgrade(&ctx.Request.Header) {
		c.options.Refusals.Reject(ctx, refusal.Origin)
		return
	}
	asked, ok := c.ask(ctx, wire.Format{Kind: wire.WebSocket, Encoding: c.wishes.offered(&ctx.Request.Header)})
	if !ok {
		return
	}
	if asked.view.Format.Kind != wire.WebSocket { // the query wins (RFC 9110, section 7.8: an upgrade is an offer)
		c.serve(ctx, asked)
		return
	}
	ticket, text, err := c.admit(asked)
	c.await(ctx, err)
	if err != nil {
		c.options.Refusals.Reject(ctx, reasonOf(err))
		return
	}
	watch, ticket, ok := c.watch(ctx, ticket.By(who(ctx, c.options.Addresses)))
	if !ok {
		return
	}
	opening := ticket.AppendOpening(nil, text)
	forget := func() { watch.Stop(); ticket.Forget() }
	c.options.Front.TakeOver(ctx, forget, func(nc net.Conn, early []byte) {
		go c.listen(ticket, watch, handshake, opening, nc, early)
	})
}

// A listener is a consumer over WebSocket: the pool's loops write to it, and readers read
// what it sends.
type listener struct{ link *stream.Link }

// listen answers the handshake and leaves the connection to loops and readers.
func (c *Consumers) listen(ticket stream.Ticket, watch *access.Watch, handshake websocket.Handshake, opening []byte, nc net.Conn, early []byte) {
	if handshake.Answer(nc) != nil {
		nc.Close()
		watch.Stop()
		ticket.Forget()
		return
	}
	l := &listener{ticket.ServeLinked(nc, opening)}
	reader := c.readers.Add(nc, early, l)
	l.link.After(func() {
		reader.Stop(websocket.ReasonLeft)
		c.end(nc)
		watch.Stop()
	})
}

// maxLingers is how many peers may take their time to hang up at once.
const maxLingers = 128

// end closes a connection so that the peer gets what was written last, unless many peers take
// their time.
func (c *Consumers) end(nc net.Conn) {
	defer c.lingers.Add(-1)
	if c.lingers.Add(1) > maxLingers {
		bare.Conn(nc).Close() // TLS's own end may wait for 5 s
		return
	}
	front.Linger(nc)
}

// Heard implements [websocket.Peer].
func (*listener) Heard() {}

// Ping implements [websocket.Peer].
func (l *listener) Ping(payload []byte) { l.link.Answer(wire.AppendPong(nil, string(payload))) }

// End implements [websocket.Peer].
func (l *listener) End(_ websocket.Reason, answer []byte) {
	if answer != nil {
		l.link.Answer(answer)
	}
	l.link.End()
}
