package subscribe

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/bare"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// Options is what [Consumers] work with.
type Options struct {
	Broker   *broker.Broker
	Pool     *stream.Pool
	Views    *view.Registry // nil: one of its own
	Front    *front.Front
	CORS     *access.CORS
	Refusals *refusal.Desk
	Gate     *access.Gate // nil: everybody may stay

	// Await waits until this instance hears the others about all that consumers want.
	// Nil: there are no others.
	Await func(context.Context)

	// Addresses finds those of clients behind proxies. Nil: they are believed to be the
	// first that X-Forwarded-For names.
	Addresses *client.Addresses

	// CompressAuto has streams compressed also for those who only say, by
	// Accept-Encoding, that they take it.
	CompressAuto bool
}

// Consumers has the handler of streams. Its methods may be called by any goroutine.
type Consumers struct {
	options Options
	wishes  wishes
	readers websocket.Readers // of what consumers over WebSocket send
	lingers atomic.Int64      // connections that are over, and whose peers have not hung up
}

// New returns the handler.
func New(o Options) *Consumers {
	if o.Views == nil {
		o.Views = view.NewRegistry(view.Options{})
	}
	if o.Addresses == nil {
		o.Addresses = &client.Addresses{}
	}
	return &Consumers{options: o, wishes: wishes{o.Views, o.Broker, o.CompressAuto}}
}

// Stream serves GET /event-dispatcher and GET /events: it takes the connection
// away from the HTTP server and gives it to the writer loops, the response head
// and the opening with it.
func (c *Consumers) Stream(ctx *fasthttp.RequestCtx) {
	if websocket.Wanted(&ctx.Request.Header) {
		c.upgrade(ctx)
		return
	}
	asked, ok := c.ask(ctx, c.wishes.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	if asked.view.Format.Kind == wire.WebSocket {
		c.options.Refusals.Explain(ctx, refusal.Parameter, "wire: ws needs a request with an Upgrade header")
		return
	}
	c.serve(ctx, asked)
}

// headTime is how long the head that HEAD asks for may take: nearly always the socket has room
// for it, and the connection is in no count any more.
const headTime = 100 * time.Millisecond

// Head serves HEAD where Stream serves GET: the same head, and then the end. Nobody
// becomes a consumer, so it is no reason to refuse that there are too many.
func (c *Consumers) Head(ctx *fasthttp.RequestCtx) {
	asked, ok := c.ask(ctx, c.wishes.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	head := c.head(ctx, asked.view.Format)
	c.options.Front.TakeOver(ctx, func() {}, func(nc net.Conn, _ []byte) {
		defer bare.Conn(nc).Close() // without TLS's own end: it may wait for 5 s, and there is no body that somebody could cut short
		_ = nc.SetWriteDeadline(time.Now().Add(headTime))
		_, _ = nc.Write(head)
	})
}

// serve answers with a stream in the body of the response.
func (c *Consumers) serve(ctx *fasthttp.RequestCtx, asked asked) {
	// The cursor is taken here, before the consumer can see its stream open:
	// from the answer on it gets everything.
	ticket, text, err := c.admit(asked)
	if errors.Is(err, stream.ErrViews) && chosenByHeader(ctx, asked.view) {
		asked.view.Format.Encoding = wire.Identity // there is no place for one more that is compressed
		ticket, text, err = c.admit(asked)
	}
	c.await(ctx, err)
	if err != nil {
		c.refuse(ctx, asked.view.Format, reasonOf(err))
		return
	}
	watch, ticket, ok := c.watch(ctx, ticket.By(who(ctx, c.options.Addresses)))
	if !ok {
		return
	}
	if asked.view.Format.Kind == wire.SSE && wantsEvents(&ctx.Request.Header) {
		ticket = ticket.Retrying(stream.Jitter(minRetry, maxRetry))
	}
	opening := ticket.AppendOpening(c.head(ctx, asked.view.Format), text)
	forget := func() { watch.Stop(); ticket.Forget() }
	c.options.Front.TakeOver(ctx, forget, func(nc net.Conn, _ []byte) {
		ticket.Then(after(watch, client.KeepPlace(nc))).Serve(nc, opening)
	})
}

// await holds the answer to a consumer that was admitted back until its instance hears
// the others: its stream then lacks nothing that they accept after it opened.
func (c *Consumers) await(ctx context.Context, admitted error) {
	if admitted == nil && c.options.Await != nil {
		c.options.Await(ctx)
	}
}

// ask is what a consumer asks for. It answers and reports false if that cannot be served.
func (c *Consumers) ask(ctx *fasthttp.RequestCtx, format wire.Format) (asked, bool) {
	asked, no := c.wishes.of(ctx, format)
	if no != nil {
		c.options.Refusals.Explain(ctx, no.reason, no.details)
	}
	return asked, no == nil
}

// admit finds a place for a consumer, and the text of its opening. Only now does its
// view take a place among those that are in use.
func (c *Consumers) admit(asked asked) (stream.Ticket, string, error) {
	var err error
	if asked.view, err = c.options.Views.Intern(asked.view); err != nil {
		c.options.Pool.Refused()
		return stream.Ticket{}, "", err
	}
	opening := c.wishes.opening(asked.view, asked.unknown)
	if asked.after == "" {
		ticket, err := c.options.Pool.Admit(asked.view)
		return c.using(asked.view, ticket, err), opening, err
	}
	ticket, resumed, err := c.options.Pool.Resume(asked.view, asked.after)
	text := "resumed"
	if !resumed {
		text = "cannot resume: what was published before is not known here"
	}
	if opening != "" {
		text += "; " + opening
	}
	return c.using(asked.view, ticket, err), text, err
}

// using has a view count as in use for as long as an admitted consumer has its place.
func (c *Consumers) using(v view.View, ticket stream.Ticket, err error) stream.Ticket {
	if err != nil {
		return ticket
	}
	c.options.Views.Use(v)
	return ticket.Left(func() { c.options.Views.Unuse(v) })
}

// reasonOf is why there is no place for a consumer.
func reasonOf(err error) refusal.Reason {
	switch {
	case errors.Is(err, stream.ErrDraining):
		return refusal.Draining
	case errors.Is(err, stream.ErrViews), errors.Is(err, view.ErrTooMany):
		return refusal.Views
	}
	return refusal.Consumers
}
