package subscribe

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
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
	readers websocket.Readers // of what consumers over WebSocket send
}

// New returns the handler.
func New(o Options) *Consumers {
	if o.Views == nil {
		o.Views = view.NewRegistry(view.Options{})
	}
	if o.Addresses == nil {
		o.Addresses = &client.Addresses{}
	}
	return &Consumers{options: o}
}

// Range of the reconnection times given to browsers that find no place.
const (
	minFullRetry = 10 * time.Second
	maxFullRetry = 60 * time.Second
)

// Range of the reconnection times given to browsers whose stream opens: what they take
// by themselves.
const (
	minRetry = 2 * time.Second
	maxRetry = 4 * time.Second
)

// wantsEvents reports whether a request says that it accepts event streams, as an
// EventSource does.
func wantsEvents(h *fasthttp.RequestHeader) bool {
	return bytes.Contains(h.Peek(fasthttp.HeaderAccept), []byte("text/event-stream"))
}

// Stream serves GET /event-dispatcher and GET /events: it takes the connection
// away from the HTTP server and gives it to the writer loops, the response head
// and the opening with it.
func (c *Consumers) Stream(ctx *fasthttp.RequestCtx) {
	if websocket.Wanted(&ctx.Request.Header) {
		c.upgrade(ctx)
		return
	}
	asked, ok := c.ask(ctx, c.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	if asked.view.Format.Kind == wire.WebSocket {
		c.options.Refusals.Explain(ctx, refusal.Parameter, "wire: ws needs a request with an Upgrade header")
		return
	}
	c.serve(ctx, asked)
}

// Head serves HEAD where Stream serves GET: the same head, and then the end. Nobody
// becomes a consumer, so it is no reason to refuse that there are too many.
func (c *Consumers) Head(ctx *fasthttp.RequestCtx) {
	asked, ok := c.ask(ctx, c.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	head := c.head(ctx, asked.view.Format)
	c.options.Front.TakeOver(ctx, func() {}, func(nc net.Conn, _ []byte) {
		defer nc.Close()
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second)) // the buffer of the socket has room
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
	watch, ticket, ok := c.watch(ctx, ticket.By(c.who(ctx)))
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

// preferred is the format that a request's headers ask for.
func (c *Consumers) preferred(h *fasthttp.RequestHeader) wire.Format {
	f := wire.Format{Unchunked: !h.IsHTTP11(), Encoding: c.offered(h)}
	if bytes.Contains(h.Peek(fasthttp.HeaderAccept), []byte("application/x-ndjson")) {
		f.Kind = wire.NDJSON
	}
	return f
}

// asked is what a consumer asked for.
type asked struct {
	view    view.View
	after   string   // id of the place to resume from; empty: now
	unknown []string // parameters that mean nothing here
}

// admit finds a place for a consumer, and the text of its opening. Only now does its
// view take a place among those that are in use.
func (c *Consumers) admit(asked asked) (stream.Ticket, string, error) {
	var err error
	if asked.view, err = c.options.Views.Intern(asked.view); err != nil {
		return stream.Ticket{}, "", err
	}
	opening := c.opening(asked.view, asked.unknown)
	if asked.after == "" {
		ticket, err := c.options.Pool.Admit(asked.view)
		return ticket, opening, err
	}
	ticket, resumed, err := c.options.Pool.Resume(asked.view, asked.after)
	text := "resumed"
	if !resumed {
		text = "cannot resume: what was published before is not known here"
	}
	if opening != "" {
		text += "; " + opening
	}
	return ticket, text, err
}

// ask reads what a consumer asks for by its query and its headers. It answers and
// reports false if that cannot be served.
func (c *Consumers) ask(ctx *fasthttp.RequestCtx, format wire.Format) (asked, bool) {
	v, unknown, err := c.options.Views.Check(format, c.options.Broker, ctx.QueryArgs().All())
	var param *view.ParamError
	switch {
	case err == nil:
	case errors.As(err, &param) && param.Param != "shards":
		c.options.Refusals.Explain(ctx, reasonOfParam(param), param.Error())
		return asked{}, false
	default:
		c.options.Refusals.Reject(ctx, refusal.Shards)
		return asked{}, false
	}
	if v, err = c.confine(v, access.GrantOf(ctx)); err != nil {
		c.options.Refusals.Explain(ctx, refusal.View, err.Error())
		return asked{}, false
	}
	// What an EventSource remembers comes as a header, and is newer than what the
	// page has put into the address.
	from := string(ctx.QueryArgs().Peek("lastEventId"))
	if id := string(ctx.Request.Header.Peek("Last-Event-ID")); stream.IsID(id) {
		from, v.Format.IDs = id, true
	} else if from == "" {
		from = id // of another service: it is told that this means nothing here
	}
	if reason := cannotMix(v); reason != "" {
		c.options.Refusals.Explain(ctx, refusal.Parameter, reason)
		return asked{}, false
	}
	return asked{v, from, unknown}, true
}

// reasonOfParam is why a parameter is refused.
func reasonOfParam(e *view.ParamError) refusal.Reason {
	switch {
	case !e.TooMuch:
		return refusal.Parameter
	case e.Param == "query":
		return refusal.Query
	}
	return refusal.ViewTooLarge
}

// cannotMix names what the writer loops cannot do together.
func cannotMix(v view.View) string {
	if v.Format.Encoding != wire.Identity && v.Pace.Every > 0 {
		return "encoding: streams with every are not compressed; leave one of them out"
	}
	return ""
}

// opening says what was understood, unless that is the default, and what was not,
// so that nobody believes to have filtered by it.
func (c *Consumers) opening(v view.View, unknown []string) string {
	var text []string
	if v != (view.View{Shards: c.options.Broker.AllShards(), Format: v.Format}) {
		text = append(text, "view: "+v.Canonical())
	}
	if len(unknown) > 0 {
		text = append(text, "unknown parameters: "+strings.Join(unknown, ", "))
	}
	return strings.Join(text, "; ")
}

// streamHeaders are in every stream's response, besides those of CORS.
var streamHeaders = []reply.Header{
	reply.NewHeader(fasthttp.HeaderCacheControl, "no-cache, no-store, no-transform"),
	reply.NewHeader("X-Accel-Buffering", "no"), // nginx: do not buffer
	reply.NewHeader(fasthttp.HeaderConnection, "close"),
}

func (c *Consumers) head(ctx *fasthttp.RequestCtx, f wire.Format) []byte {
	b := append([]byte(nil), "HTTP/1.1 200 OK\r\n"...)
	if !f.Unchunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if f.Encoding != wire.Identity {
		b = append(append(append(b, "Content-Encoding: "...), f.Encoding.String()...), "\r\n"...)
	}
	if c.options.CompressAuto {
		b = append(b, "Vary: Accept-Encoding\r\n"...)
	}
	b = append(append(b, "Content-Type: "...), f.ContentType()...)
	b = append(fasthttp.AppendHTTPDate(append(b, "\r\nDate: "...), ctx.Time()), "\r\n"...)
	for _, list := range [][]reply.Header{streamHeaders, c.options.CORS.Headers(&ctx.Request.Header)} {
		for _, h := range list {
			b = append(append(append(append(b, h.Key...), ": "...), h.Value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// Refuse answers a consumer that finds no place, and says no more than that.
func (c *Consumers) Refuse(ctx *fasthttp.RequestCtx, reason refusal.Reason) {
	c.refuse(ctx, c.preferred(&ctx.Request.Header), reason)
}

// refuse answers a consumer that finds no place. An EventSource never
// comes back after a status other than 200 (WHATWG HTML, section 9.2.3 "Processing
// model"); one says that it accepts event streams. It gets a stream that only
// tells it when to try again.
func (c *Consumers) refuse(ctx *fasthttp.RequestCtx, f wire.Format, reason refusal.Reason) {
	if f.Kind != wire.SSE || !wantsEvents(&ctx.Request.Header) {
		c.options.Refusals.Reject(ctx, reason)
		return
	}
	c.options.Refusals.Note(ctx, reason)
	for _, h := range streamHeaders {
		h.Set(&ctx.Response.Header)
	}
	ctx.Response.Header.SetContentType(f.ContentType())
	low, high := minFullRetry, maxFullRetry
	if reason == refusal.Draining { // another instance has places
		low, high = minRetry, maxRetry
	}
	ctx.Response.SetBody(wire.AppendRetry(nil, stream.Jitter(low, high)))
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
