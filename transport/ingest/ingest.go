package ingest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
)

// MaxAddedBytes is the most that the service adds to a body before it is an
// event in the ring: the frame and a member with an address.
const MaxAddedBytes = 128

// Options is what [Players] work with.
type Options struct {
	Broker *broker.Broker

	// Relay takes accepted events to other instances. Nil: there are none.
	Relay *relay.Relay

	Addresses *client.Addresses
	Rates     *client.Rates
	Refusals  *refusal.Desk

	// MaxBody is the largest body accepted, in bytes.
	MaxBody int
}

// Players has the handlers of what players post. Its methods may be called by any
// goroutine.
type Players struct {
	options   Options
	byAddress bool // the shard key is the member that we add

	stopped  atomic.Bool
	_        [60]byte
	received atomic.Uint64 // POSTs that came as far as the handler
	_        [56]byte
	bytes    atomic.Uint64 // bytes of accepted bodies
	_        [56]byte
}

// New returns the handlers.
func New(o Options) *Players {
	return &Players{options: o, byAddress: o.Broker.ShardKey() == addressMember}
}

// The frame around every event in the ring.
var (
	eventPrefix = []byte(stream.EventPrefix)
	eventSuffix = []byte(stream.EventSuffix)
)

// Stop refuses further events: the service is shutting down.
func (p *Players) Stop() { p.stopped.Store(true) }

// Received is how many events came, accepted or not.
func (p *Players) Received() uint64 { return p.received.Load() }

// Collect implements [metric.Source].
func (p *Players) Collect(to metric.Emitter) {
	to.Counter("events_received_total", "Events that players sent, accepted or not.", p.received.Load())
	to.Counter("accepted_bytes_total", "Bytes of the bodies of accepted events.", p.bytes.Load())
}

// PostAny serves POST /metrics: any JSON value, broadcast as it came.
func (p *Players) PostAny(ctx *fasthttp.RequestCtx) {
	body, ok := p.Take(ctx)
	if !ok {
		return
	}
	p.publish(ctx, p.options.Broker.Pick(body, ctx.ConnID()), body, nil, nil)
}

// addressMember is the member that PostObject adds.
const addressMember = "user_ip"

// PostObject serves POST /api/events: objects only, with the client's address
// added as the last member.
func (p *Players) PostObject(ctx *fasthttp.RequestCtx) {
	body, ok := p.Take(ctx)
	if !ok {
		return
	}
	head, tail, empty, ok := splitObject(body)
	if !ok {
		p.options.Refusals.Reject(ctx, refusal.NotObject)
		return
	}
	var space [80]byte // an address has 45 characters at most
	member := space[:0]
	if !empty {
		member = append(member, ',')
	}
	member = append(member, `"`+addressMember+`":"`...)
	if addr := p.options.Addresses.Of(ctx); addr.IsValid() {
		member = addr.AppendTo(member)
	}
	member = append(member, '"')
	p.publish(ctx, p.pick(ctx, head, member, tail), head, member, tail)
}

// wholes are buffers for events that must be looked at as they will be published.
var wholes = sync.Pool{New: func() any { return new([]byte) }}

// pick chooses the shard of an event in three parts. Other instances choose by the
// event as it was published; that is the same as choosing by its head, unless the
// key is in the member that was added.
func (p *Players) pick(ctx *fasthttp.RequestCtx, head, member, tail []byte) int {
	if !p.byAddress {
		return p.options.Broker.Pick(head, ctx.ConnID())
	}
	whole := wholes.Get().(*[]byte)
	defer wholes.Put(whole)
	*whole = append(append(append((*whole)[:0], head...), member...), tail...)
	return p.options.Broker.Pick(*whole, ctx.ConnID())
}

// Take checks a request and its body, and makes the body one line. It answers and
// reports false if the event is refused. The body is the request's.
func (p *Players) Take(ctx *fasthttp.RequestCtx) ([]byte, bool) {
	p.received.Add(1)
	reason, ok := p.admit(ctx)
	// A request that expects to be asked for its body was counted before it was.
	if ok && p.options.Rates.Any() && !ctx.Request.MayContinue() {
		reason, ok = p.options.Rates.Allow(ctx)
	}
	if !ok {
		p.options.Refusals.Reject(ctx, reason)
		return nil, false
	}
	body := ctx.PostBody()
	if reason, ok := checkEvent(body); !ok {
		p.options.Refusals.Reject(ctx, reason)
		return nil, false
	}
	oneLine(body)
	return body, true
}

// Accepted counts the body of an event that was taken.
func (p *Players) Accepted(body int) { p.bytes.Add(uint64(body)) }

// BeforeBody decides what can be decided before the body comes, and counts an event
// whose body will not.
func (p *Players) BeforeBody(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	reason, ok := p.admit(ctx)
	if ok {
		reason, ok = p.options.Rates.Allow(ctx)
	}
	if ok && ctx.Request.Header.ContentLength() > p.options.MaxBody {
		reason, ok = refusal.TooLarge, false
	}
	if !ok {
		p.received.Add(1)
	}
	return reason, ok
}

// admit looks at the state of the service and the head of the request.
func (p *Players) admit(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	if p.stopped.Load() {
		return refusal.Draining, false
	}
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && !bytes.EqualFold(enc, []byte("identity")) {
		return refusal.Encoding, false
	}
	return 0, true
}

// publish puts the event, in up to three parts, into the ring, offers it to the
// other instances, and answers. All copy: nothing of the request is kept.
func (p *Players) publish(ctx *fasthttp.RequestCtx, shard int, head, member, tail []byte) {
	b := p.options.Broker
	at := b.Tick(ctx.Time())
	err := b.Publish(shard, at, eventPrefix, head, member, tail, eventSuffix)
	switch {
	case err == nil:
		p.Accepted(len(head) + len(member) + len(tail))
		if r := p.options.Relay; r != nil { // a concrete type, so that the parts do not escape
			r.Offer(shard, at, head, member, tail)
		}
	case errors.Is(err, broker.ErrTooLarge):
		p.options.Refusals.Reject(ctx, refusal.TooLarge)
	default:
		p.options.Refusals.Reject(ctx, refusal.Overloaded)
	}
}
