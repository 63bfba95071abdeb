package subscribe

import (
	"net"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
	"event-dispatcher/transport/ws"
)

// upgrade serves GET /event-dispatcher and GET /events with an Upgrade header.
// Pages of all origins may, as over Server-Sent Events, unless there is a list.
func (c *Consumers) upgrade(ctx *fasthttp.RequestCtx) {
	handshake, reason, ok := ws.Check(ctx)
	if !ok {
		c.options.Refusals.Reject(ctx, reason)
		return
	}
	if !c.options.CORS.MayUpgrade(&ctx.Request.Header) {
		c.options.Refusals.Reject(ctx, refusal.Origin)
		return
	}
	asked, ok := c.ask(ctx, wire.Format{Kind: wire.WebSocket})
	if !ok {
		return
	}
	if asked.view.Format.Kind != wire.WebSocket { // the query wins (RFC 9110, section 7.8: an upgrade is an offer)
		c.serve(ctx, asked)
		return
	}
	ticket, text, err := c.admit(asked)
	if err != nil {
		c.options.Refusals.Reject(ctx, reasonOf(err))
		return
	}
	watch, ticket, ok := c.watch(ctx, ticket)
	if !ok {
		return
	}
	opening := ticket.AppendOpening(nil, text)
	forget := func() { watch.Stop(); ticket.Forget() }
	c.options.Front.TakeOver(ctx, forget, func(nc net.Conn, early []byte) {
		go func() {
			defer watch.Stop()
			serve(ticket, handshake, opening, nc, early)
		}()
	})
}

// serve reads what the consumer sends; the pool's loops write.
func serve(ticket stream.Ticket, handshake ws.Handshake, opening []byte, nc net.Conn, early []byte) {
	defer nc.Close()
	var link *stream.Link
	handshake.Read(nc, early,
		func() { link = ticket.ServeLinked(nc, opening) },
		func(frame []byte) { link.Answer(frame) })
	if link == nil {
		ticket.Forget()
		return
	}
	link.End()
	<-link.Done()
	ws.Linger(nc)
}
