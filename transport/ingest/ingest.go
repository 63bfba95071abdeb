package ingest

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
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
	members
	outlet
	receiver
	counts
}

// New returns the handlers.
func New(o Options) *Players {
	p := &Players{members: newMembers(&o), outlet: newOutlet(&o), counts: counts{losses: cmcd.NewLosses()}}
	p.receiver = receiver{
		rates: o.Rates, refusals: o.Refusals, body: o.Body, stopReports: o.StopReports, maxBody: o.MaxBody, maxBatch: o.MaxBatch,
		small: inflate.New(max(o.MaxBody, o.MaxBatch), o.Bodies), large: inflate.New(max(o.MaxBody, o.MaxBatch), o.Bodies), counts: &p.counts,
	}
	return p
}

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
		p.refusals.Reject(ctx, refusal.BatchForm)
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
	if !objects && p.stamps == 0 {
		p.publish(ctx, p.broker.Pick(body, ctx.ConnID()), body, nil, nil)
		return
	}
	head, tail, empty, ok := open(body, p.names(objects))
	if !ok && objects {
		p.refusals.Reject(ctx, refusal.NotObject)
		return
	}
	var member []byte
	if ok {
		var space [MaxAddedBytes]byte
		member = p.appendID(p.members.append(space[:0], ctx, objects), ctx.Time())
		if empty && len(member) > 0 {
			member = member[1:] // no comma
		}
	} else {
		head = body
	}
	p.publish(ctx, p.pick(ctx.ConnID(), head, member, tail), head, member, tail)
}

// plain is the type of empty answers: without one, browsers that read them take
// them for XML.
var plain = reply.NewHeader(fasthttp.HeaderContentType, "text/plain; charset=utf-8")

// publish puts the event, in up to three parts, into the ring, offers it to the
// other instances, and answers. All copy: nothing of the request is kept.
func (p *Players) publish(ctx *fasthttp.RequestCtx, shard int, head, member, tail []byte) {
	at := p.broker.Tick(ctx.Time())
	if err := publishFramed(p.broker, shard, at, head, member, tail); err != nil {
		if reason := reasonOf(err); reason == refusal.TooLarge {
			p.tooLarge(ctx, p.maxBody)
		} else {
			p.refusals.Reject(ctx, reason)
		}
		return
	}
	p.Accepted(p.offer(shard, at, head, member, tail))
	ctx.Response.Header.SetContentTypeBytes(plain.Value)
}
