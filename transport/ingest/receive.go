package ingest

import (
	"bytes"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/client"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/refusal"
)

// A receiver takes the bodies of requests, as far as they may come in at all.
type receiver struct {
	// Fixed after New; see [Options].
	rates       *client.Rates
	refusals    *refusal.Desk
	body        func(ctx *fasthttp.RequestCtx, limit int) ([]byte, refusal.Reason, bool)
	stopReports func(ctx *fasthttp.RequestCtx) bool
	maxBody     int
	maxBatch    int
	small       *inflate.Pool // for bodies that come in smallBody
	large       *inflate.Pool
	counts      *counts

	stopped atomic.Bool
}

// Stop refuses further events: the service is shutting down.
func (r *receiver) Stop() { r.stopped.Store(true) }

// charged is noted on a request whose first event was counted against the rates before
// its body came.
type charged struct{}

// receive is the body of a request with events of a form, without its content coding. It
// answers, counts one event and reports false if the request is refused as a whole. The
// first event is counted against the rates before the body is looked at, which costs
// something also if there is no event in it.
func (r *receiver) receive(ctx *fasthttp.RequestCtx, f form) (Taken, bool) {
	limit := r.maxBatch
	if f == single {
		limit = r.maxBody
	}
	coding, reason, ok := r.admit(ctx)
	switch {
	case !ok:
	case f == reports && r.stopReports != nil && r.stopReports(ctx):
		reason, ok = refusal.ReportsStopped, false
	case r.rates.Any() && ctx.UserValue(charged{}) == nil:
		reason, ok = r.rates.Allow(ctx)
	}
	if !ok {
		r.counts.received.Add(1)
		r.refusals.Reject(ctx, reason)
		return Taken{}, false
	}
	body, ok := r.read(ctx, limit)
	if !ok {
		return Taken{}, false
	}
	t, ok := r.inflate(ctx, body, coding, limit)
	if !ok {
		r.counts.received.Add(1)
	}
	return t, ok
}

const (
	// packedEvent is how many bytes of a compressed body cost as much as an event, as they come,
	// and again when it is unpacked: a few hundred may become 256 KiB, which are checked, stored
	// and sent on. packedBlocks is how many compressed blocks of Zstandard cost as
	// much: a decoder may be kept busy by them for a millisecond or two, whatever comes out.
	packedEvent  = 16 << 10
	packedBlocks = 128
	// smallBody is how large a compressed body is at most that does not wait for decoders
	// which are busy with larger ones.
	smallBody = 16 << 10
)

// countPacked counts a compressed body against the rates before it is unpacked: as one event
// for each packedEvent bytes or packedBlocks blocks, of which one is counted already. It
// answers and reports false if the body may not come in.
func (r *receiver) countPacked(ctx *fasthttp.RequestCtx, coding inflate.Coding, body []byte) (counted int, ok bool) {
	if !r.rates.Any() {
		return 1, true
	}
	n := len(body) / packedEvent
	if coding == inflate.Zstd {
		n = max(n, inflate.Blocks(body)/packedBlocks)
	}
	return r.count(ctx, n, 1)
}

// count counts a body as n events, of which some are counted already, and returns as how many
// it is counted then. It answers and reports false if it may not come in.
func (r *receiver) count(ctx *fasthttp.RequestCtx, n, counted int) (int, bool) {
	if n <= counted {
		return counted, true
	}
	counted, reason := r.rates.AllowRest(ctx, n, counted, n)
	if counted == 0 {
		r.refusals.Reject(ctx, reason)
	}
	return counted, counted > 0
}

// read is the body of a request as it comes. It answers and reports false if it does
// not come, so that there is no event.
func (r *receiver) read(ctx *fasthttp.RequestCtx, limit int) ([]byte, bool) {
	if r.body == nil {
		return ctx.PostBody(), true
	}
	body, reason, ok := r.body(ctx, limit)
	switch {
	case ok:
	case reason == refusal.TooLarge:
		r.counts.received.Add(1)
		r.tooLarge(ctx, limit)
	default:
		r.refusals.Reject(ctx, reason)
	}
	return body, ok
}

// inflate is the body of a request, without its content coding. It answers and
// reports false if there is something wrong with it.
func (r *receiver) inflate(ctx *fasthttp.RequestCtx, body []byte, coding inflate.Coding, limit int) (Taken, bool) {
	if coding == inflate.Identity || len(body) == 0 {
		if len(body) > limit {
			r.tooLarge(ctx, limit)
			return Taken{}, false
		}
		return Taken{Body: body, counted: 1}, true
	}
	counted, ok := r.countPacked(ctx, coding, body)
	if !ok {
		return Taken{}, false
	}
	pool := r.large
	if len(body) <= smallBody {
		pool = r.small
	}
	inflated, err := pool.Inflate(coding, body, limit)
	switch err {
	case nil:
		r.counts.inflated(coding, len(body), len(inflated.Bytes))
		return Taken{inflated.Bytes, inflated, counted}, true
	case inflate.ErrTooLarge:
		r.tooLarge(ctx, limit)
	case inflate.ErrNoRoom:
		r.refusals.Reject(ctx, refusal.Bodies)
	default:
		r.refusals.Reject(ctx, refusal.Corrupt)
	}
	return Taken{}, false
}

func (r *receiver) tooLarge(ctx *fasthttp.RequestCtx, limit int) {
	r.refusals.Explain(ctx, refusal.TooLarge, refusal.Limit(limit))
}

// BeforeBody decides what can be decided before the body comes: for a batch, whether its
// first event may come in. It counts an event whose body will not come.
func (r *receiver) BeforeBody(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	_, reason, ok := r.admit(ctx)
	if ok {
		if reason, ok = r.rates.Allow(ctx); ok {
			ctx.SetUserValue(charged{}, true)
		}
	}
	limit := r.maxBody
	if n := r.BodyLimit(&ctx.Request.Header); n > 0 {
		limit = n
	}
	if ok && ctx.Request.Header.ContentLength() > limit {
		reason, ok = refusal.TooLarge, false
	}
	if !ok {
		r.counts.received.Add(1)
	}
	return reason, ok
}

// admit looks at the state of the service and the head of the request.
func (r *receiver) admit(ctx *fasthttp.RequestCtx) (inflate.Coding, refusal.Reason, bool) {
	if r.stopped.Load() {
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

// BodyLimit is how large the body of a request with this header may be; 0 if it is
// not a batch.
func (r *receiver) BodyLimit(h *fasthttp.RequestHeader) int {
	path, query, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	if _, behind, ok := bytes.Cut(path, []byte("://")); ok { // RFC 9112, section 3.2.2
		path = behind[max(0, bytes.IndexByte(behind, '/')):]
	}
	if f, ok := formOf(h, query); ok && f != single || string(path) == ReportsPath {
		return r.maxBatch
	}
	return 0
}
