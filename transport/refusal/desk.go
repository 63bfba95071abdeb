package refusal

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/reply"
)

// A Format is what the body of a refusal looks like.
type Format uint8

const (
	Text Format = iota // label: text
	JSON               // {"error": label, "message": text}
)

// A Route is what a desk knows of the path that a refused request was for. The
// zero Route stands for all that have no path of ours.
type Route struct {
	Index  int // below MaxRoutes
	Format Format
}

// MaxRoutes is how many routes can be told apart.
const MaxRoutes = 32

// retryAfter is the Retry-After of 429 and 503, in seconds (RFC 9110, section 10.2.3).
const retryAfter = "1"

// A Desk answers requests that are refused, and counts them. Its methods may be
// called by any goroutine; those that answer, by the handler of the request.
type Desk struct {
	find   func(path []byte) Route
	counts [Count]tally
}

// A tally counts the refusals for one reason by route. Players that are refused
// come in floods, which are for one reason: it has cache lines of its own.
type tally struct {
	by   [MaxRoutes]atomic.Uint64
	last [MaxRoutes]atomic.Pointer[Seen]
	_    [64]byte
}

// NewDesk returns a desk that finds routes by their path.
func NewDesk(find func(path []byte) Route) *Desk { return &Desk{find: find} }

// Reject answers with the reason's status and text, and counts. It keeps headers
// that are already set, so CORS may come first.
func (d *Desk) Reject(ctx *fasthttp.RequestCtx, r Reason) { d.Explain(ctx, r, "") }

// Explain is Reject with details of this request for the text. They never repeat
// what the client sent.
func (d *Desk) Explain(ctx *fasthttp.RequestCtx, r Reason, details string) {
	route := d.find(ctx.URI().PathOriginal())
	d.count(ctx, r, route.Index)
	why := &table[r]
	ctx.SetStatusCode(why.status)
	if route.Format == JSON {
		text := why.text
		if details != "" {
			text += ": " + details
		}
		reply.JSON(ctx, body{why.label, text})
	} else {
		ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
		ctx.Response.SetBodyString(why.label)
		ctx.Response.AppendBodyString(": " + why.text)
		if details != "" {
			ctx.Response.AppendBodyString(": " + details)
		}
		ctx.Response.AppendBodyString("\n")
		reply.NoStore.Set(&ctx.Response.Header)
	}
	if why.status == fasthttp.StatusUpgradeRequired { // RFC 9110, section 15.5.22
		ctx.Response.Header.Set(fasthttp.HeaderUpgrade, "websocket")
		ctx.Response.Header.Set(fasthttp.HeaderConnection, fasthttp.HeaderUpgrade)
	}
	retryLater(ctx, r)
}

// RejectBatch answers a batch of which no event came in. list is JSON that says why for
// each, and is copied. The status is that of r if r passes with time, else 400: the
// sender is not told to try the same again. It counts r.
func (d *Desk) RejectBatch(ctx *fasthttp.RequestCtx, r Reason, list []byte) {
	d.Note(ctx, r)
	ctx.SetStatusCode(fasthttp.StatusBadRequest)
	if r.Passes() {
		ctx.SetStatusCode(r.Status())
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.SetBody(list)
	retryLater(ctx, r)
}

// retryLater says when to come again, if the reason is one that passes.
func retryLater(ctx *fasthttp.RequestCtx, r Reason) {
	if r.Passes() {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
		exposeRetryAfter.Set(&ctx.Response.Header)
	}
}

// exposeRetryAfter lets pages read it.
var exposeRetryAfter = reply.NewHeader(fasthttp.HeaderAccessControlExposeHeaders, fasthttp.HeaderRetryAfter)

// RejectMethod answers 405 with the methods that the path has (RFC 9110, section 15.5.6).
// more is what else is to be said, or empty.
func (d *Desk) RejectMethod(ctx *fasthttp.RequestCtx, allow, more string) {
	ctx.Response.Header.Set(fasthttp.HeaderAllow, allow)
	text := "this path takes " + strings.TrimSuffix(allow, ", OPTIONS")
	if asked := string(ctx.Method()); slices.Contains(methods, asked) { // others are the client's words
		text += ", not " + asked
	}
	if more != "" {
		text += "; " + more
	}
	d.Explain(ctx, Method, text)
}

// methods are those that many servers know.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

// Note counts a request that is refused with an answer of its own.
func (d *Desk) Note(ctx *fasthttp.RequestCtx, r Reason) {
	d.count(ctx, r, d.find(ctx.URI().PathOriginal()).Index)
}

// Counter counts refusals of what never becomes a request.
func (d *Desk) Counter(r Reason) *atomic.Uint64 { return &d.counts[r].by[0] }

// Total is how many requests were refused for a reason.
func (d *Desk) Total(r Reason) (n uint64) {
	for i := range d.counts[r].by {
		n += d.counts[r].by[i].Load()
	}
	return n
}

// By is how many requests for a route were refused for a reason.
func (d *Desk) By(r Reason, route int) uint64 { return d.counts[r].by[route].Load() }

// Collect implements [metric.Source].
func (d *Desk) Collect(to metric.Emitter) {
	for r := range Count {
		to.Counter("requests_rejected_total", "Requests refused, by reason.", d.Total(r), "reason", r.String())
	}
}

// A body is that of a refusal in JSON.
type body struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}
