package ingest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/broker/event"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/ingest/cmcd"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
)

// Options is what [Players] work with.
type Options struct {
	Broker *broker.Broker

	// Relay takes accepted events to other instances. Nil: there are none.
	Relay *relay.Relay

	Addresses *client.Addresses
	Rates     *client.Rates
	Refusals  *refusal.Desk

	// Body reads the body of a request up to a limit. Nil: it has been read.
	Body func(ctx *fasthttp.RequestCtx, limit int) ([]byte, refusal.Reason, bool)

	// Bodies is the budget of inflated bodies. Nil: there is none.
	Bodies inflate.Budget

	// UserIP is what events say of their player's address.
	UserIP access.UserIP

	// MaxBody is the largest event accepted, MaxBatch the largest batch, both in
	// bytes after inflation.
	MaxBody, MaxBatch int

	// Add is what all objects get besides the address.
	Add Stamps

	// StopReports says whether the sender of CMCD reports should send no more in
	// this session. Nil: never.
	StopReports func(ctx *fasthttp.RequestCtx) bool
}

// Players has the handlers of what players post. Its methods may be called by any
// goroutine.
type Players struct {
	// Fixed after New.
	options  Options
	byAdded  bool        // the shard key is a member that we add
	anywhere event.Names // members that objects get on all paths
	objects  event.Names // and on those that add the address
	ids      *event.IDs
	losses   *cmcd.Losses
	events   *inflate.Pool // for single events
	batches  *inflate.Pool

	stopped  atomic.Bool
	_        [60]byte
	received atomic.Uint64 // events that came as far as the handler
	_        [56]byte
	bytes    atomic.Uint64 // bytes of accepted events
	_        [56]byte
	counts   counts
}

// New returns the handlers.
func New(o Options) *Players {
	p := &Players{
		options: o, anywhere: event.NewNames(o.Add.names()...), ids: event.NewIDs(), losses: cmcd.NewLosses(),
		events: inflate.New(o.MaxBody, o.Bodies), batches: inflate.New(o.MaxBatch, o.Bodies),
	}
	all := o.Add.names()
	if !o.UserIP.Off() {
		all = append([]string{addressMember}, all...)
	}
	p.objects = event.NewNames(all...)
	p.byAdded = slices.Contains(all, o.Broker.ShardKey())
	return p
}

// Stop refuses further events: the service is shutting down.
func (p *Players) Stop() { p.stopped.Store(true) }

// Received is how many events came, accepted or not.
func (p *Players) Received() uint64 { return p.received.Load() }

// PostAny serves POST /metrics: any JSON values, broadcast as they came.
func (p *Players) PostAny(ctx *fasthttp.RequestCtx) { p.post(ctx, false) }

// PostObject serves POST /api/events: objects only, with the client's address added
// as the last member.
func (p *Players) PostObject(ctx *fasthttp.RequestCtx) { p.post(ctx, true) }

// PostReports serves POST /cmcd.
func (p *Players) PostReports(ctx *fasthttp.RequestCtx) { p.postBatch(ctx, reports, true) }

// post takes one event, or a batch if the request says so. objects says whether
// events must be objects, which then get the address.
func (p *Players) post(ctx *fasthttp.RequestCtx, objects bool) {
	form, ok := formOf(&ctx.Request.Header, ctx.URI().QueryString())
	switch {
	case !ok:
		p.received.Add(1)
		p.options.Refusals.Reject(ctx, refusal.BatchForm)
		return
	case form != single:
		p.postBatch(ctx, form, objects)
		return
	}
	t, ok := p.Take(ctx)
	if !ok {
		return
	}
	defer t.Release()
	body := t.Body
	if !objects && p.options.Add == 0 {
		p.publish(ctx, p.options.Broker.Pick(body, ctx.ConnID()), body, nil, nil)
		return
	}
	names := p.anywhere
	if objects {
		names = p.objects
	}
	head, tail, empty, ok := p.open(body, names)
	if !ok && objects {
		p.options.Refusals.Reject(ctx, refusal.NotObject)
		return
	}
	var member []byte
	if ok {
		var space [MaxAddedBytes]byte
		member = p.appendID(p.appendMembers(space[:0], ctx, objects), ctx.Time())
		if empty && len(member) > 0 {
			member = member[1:] // no comma
		}
	} else {
		head = body
	}
	p.publish(ctx, p.pick(ctx, head, member, tail), head, member, tail)
}

// open makes an object ready for members to be added: those that it brings
// itself are cut, and it is split before its last brace.
func (p *Players) open(object []byte, names event.Names) (head, tail []byte, empty, ok bool) {
	if !event.IsObject(object) {
		return nil, nil, false, false
	}
	return event.SplitObject(names.Cut(object))
}

// wholes are buffers for events that must be looked at as they will be published.
var wholes = sync.Pool{New: func() any { return new([]byte) }}

// pick chooses the shard of an event in three parts. Other instances choose by the
// event as it was published; that is the same as choosing by its head, unless the
// key is in a member that was added.
func (p *Players) pick(ctx *fasthttp.RequestCtx, head, member, tail []byte) int {
	if !p.byAdded {
		return p.options.Broker.Pick(head, ctx.ConnID())
	}
	whole := wholes.Get().(*[]byte)
	defer wholes.Put(whole)
	*whole = append(append(append((*whole)[:0], head...), member...), tail...)
	return p.options.Broker.Pick(*whole, ctx.ConnID())
}

// plain is the type of empty answers: without one, browsers that read them take
// them for XML.
var plain = reply.NewHeader(fasthttp.HeaderContentType, "text/plain; charset=utf-8")

// publish puts the event, in up to three parts, into the ring, offers it to the
// other instances, and answers. All copy: nothing of the request is kept.
func (p *Players) publish(ctx *fasthttp.RequestCtx, shard int, head, member, tail []byte) {
	b := p.options.Broker
	at := b.Tick(ctx.Time())
	if err := publishFramed(b, shard, at, head, member, tail); err != nil {
		if reason := reasonOf(err); reason == refusal.TooLarge {
			p.tooLarge(ctx, p.options.MaxBody)
		} else {
			p.options.Refusals.Reject(ctx, reason)
		}
		return
	}
	p.Accepted(p.offer(shard, at, head, member, tail))
	ctx.Response.Header.SetContentTypeBytes(plain.Value)
}

// offer offers an event in three parts that is in the ring to the other instances, and
// returns its size.
func (p *Players) offer(shard int, at broker.Tick, head, member, tail []byte) int {
	if r := p.options.Relay; r != nil { // a concrete type, so that the parts do not escape
		r.Offer(shard, at, head, member, tail)
	}
	return len(head) + len(member) + len(tail)
}

// reasonOf is why the broker does not take an event.
func reasonOf(err error) refusal.Reason {
	if errors.Is(err, broker.ErrTooLarge) {
		return refusal.TooLarge
	}
	return refusal.Overloaded
}
