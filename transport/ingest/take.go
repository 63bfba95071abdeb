package ingest

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/event"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/refusal"
)

// Taken is the body of a request that was accepted. It must be released when it has
// been published.
type Taken struct {
	Body []byte

	inflated *inflate.Body // nil: Body is the request's
}

// Release ends the use of the body.
func (t *Taken) Release() {
	if t.inflated != nil {
		t.inflated.Release()
	}
}

// faults are the reasons for what can be wrong with an event.
var faults = [...]refusal.Reason{
	event.Empty:         refusal.EmptyBody,
	event.ByteOrderMark: refusal.ByteOrderMark,
	event.InvalidUTF8:   refusal.InvalidUTF8,
	event.InvalidJSON:   refusal.InvalidJSON,
}

// Take checks a request and its body, one event, and makes it one line. It answers
// and reports false if the event is refused.
func (p *Players) Take(ctx *fasthttp.RequestCtx) (Taken, bool) {
	t, ok := p.receive(ctx, single)
	if !ok {
		return Taken{}, false
	}
	p.received.Add(1)
	if fault := event.Check(t.Body); fault != event.None {
		p.options.Refusals.Explain(ctx, faults[fault], explain(t.Body, fault))
		t.Release()
		return Taken{}, false
	}
	event.OneLine(t.Body)
	return t, true
}

// explain says where a body goes wrong. It is for the one who debugs a sender.
func explain(body []byte, fault event.Fault) string {
	offset, hint := event.Explain(body, fault)
	text := ""
	if fault == event.InvalidJSON || fault == event.InvalidUTF8 {
		if text = fmt.Sprintf("it goes wrong at byte %d, counted from 0", offset); offset == len(body) {
			text = fmt.Sprintf("it ends too early, after %d bytes", offset)
		}
	}
	switch {
	case hint == event.NoHint:
		return text
	case text == "":
		return hint.String()
	}
	return text + "; " + hint.String()
}

// receive is the body of a request with events of a form, without its content coding. It
// answers, counts one event and reports false if the request is refused as a whole.
func (p *Players) receive(ctx *fasthttp.RequestCtx, f form) (Taken, bool) {
	limit, pool := p.options.MaxBatch, p.batches
	if f == single {
		limit, pool = p.options.MaxBody, p.events
	}
	coding, reason, ok := p.admit(ctx)
	switch {
	case !ok:
	// A request that expects to be asked for its body was counted before it was.
	case f == single && p.options.Rates.Any() && !ctx.Request.MayContinue():
		reason, ok = p.options.Rates.Allow(ctx)
	case f == reports && p.options.StopReports != nil && p.options.StopReports(ctx):
		reason, ok = refusal.ReportsStopped, false
	}
	if !ok {
		p.received.Add(1)
		p.options.Refusals.Reject(ctx, reason)
		return Taken{}, false
	}
	body, ok := p.read(ctx, limit)
	if !ok {
		return Taken{}, false
	}
	t, ok := p.inflate(ctx, body, coding, pool, limit)
	if !ok {
		p.received.Add(1)
	}
	return t, ok
}

// read is the body of a request as it comes. It answers and reports false if it does
// not come, so that there is no event.
func (p *Players) read(ctx *fasthttp.RequestCtx, limit int) ([]byte, bool) {
	if p.options.Body == nil {
		return ctx.PostBody(), true
	}
	body, reason, ok := p.options.Body(ctx, limit)
	switch {
	case ok:
	case reason == refusal.TooLarge:
		p.received.Add(1)
		p.tooLarge(ctx, limit)
	default:
		p.options.Refusals.Reject(ctx, reason)
	}
	return body, ok
}

// inflate is the body of a request, without its content coding. It answers and
// reports false if there is something wrong with it.
func (p *Players) inflate(ctx *fasthttp.RequestCtx, body []byte, coding inflate.Coding, pool *inflate.Pool, limit int) (Taken, bool) {
	if coding == inflate.Identity || len(body) == 0 {
		if len(body) > limit {
			p.tooLarge(ctx, limit)
			return Taken{}, false
		}
		return Taken{Body: body}, true
	}
	inflated, err := pool.Inflate(coding, body)
	switch err {
	case nil:
		p.counts.inflated(coding, len(body), len(inflated.Bytes))
		return Taken{inflated.Bytes, inflated}, true
	case inflate.ErrTooLarge:
		p.tooLarge(ctx, limit)
	case inflate.ErrNoRoom:
		p.options.Refusals.Reject(ctx, refusal.Bodies)
	default:
		p.options.Refusals.Reject(ctx, refusal.Corrupt)
	}
	return Taken{}, false
}

func (p *Players) tooLarge(ctx *fasthttp.RequestCtx, limit int) {
	p.options.Refusals.Explain(ctx, refusal.TooLarge, refusal.Limit(limit))
}

// Accepted counts the body of an event that was taken.
func (p *Players) Accepted(body int) { p.bytes.Add(uint64(body)) }

// BeforeBody decides what can be decided before the body comes, and counts an event
// whose body will not. How many events a batch has, and with it whether they may come in,
// is known only from its body.
func (p *Players) BeforeBody(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	_, reason, ok := p.admit(ctx)
	limit := p.options.MaxBody
	if n := p.BodyLimit(&ctx.Request.Header); n > 0 {
		limit = n
	} else if ok {
		reason, ok = p.options.Rates.Allow(ctx)
	}
	if ok && ctx.Request.Header.ContentLength() > limit {
		reason, ok = refusal.TooLarge, false
	}
	if !ok {
		p.received.Add(1)
	}
	return reason, ok
}

// admit looks at the state of the service and the head of the request.
func (p *Players) admit(ctx *fasthttp.RequestCtx) (inflate.Coding, refusal.Reason, bool) {
	if p.stopped.Load() {
		return inflate.Identity, refusal.Draining, false
	}
	value := ctx.Request.Header.ContentEncoding()
	if len(value) == 0 {
		return inflate.Identity, 0, true
	}
	coding, ok := inflate.Parse(value)
	if ok && len(ctx.Request.Header.PeekAll(fasthttp.HeaderContentEncoding)) == 1 {
		return coding, 0, true
	}
	ctx.Response.Header.Set(fasthttp.HeaderAcceptEncoding, inflate.Accepted) // RFC 9110, section 15.5.16
	return inflate.Identity, refusal.Encoding, false
}
