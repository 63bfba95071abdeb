package front

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// largeAnswer is from when on an answer costs the budget for bodies its size until it is
// written: a peer that reads nothing would have it kept until the write deadline.
const largeAnswer = 8 << 10

// answer takes what the answer needs from the budget, and refuses the request instead if
// that is used up. Operators on an address of their own get theirs in any case.
func (f *Front) answer(ctx *fasthttp.RequestCtx, c *conn) {
	resp := &ctx.Response
	if f.options.Uncapped || f.options.Bodies == nil || resp.IsBodyStream() {
		return
	}
	size := len(resp.Body())
	if size <= largeAnswer {
		return
	}
	if !f.options.Bodies.Take(size) {
		resp.Reset()
		f.Refuse(ctx, refusal.Bodies)
		return
	}
	c.answer = size
}

// answered gives back what the last answer took. It is called when the HTTP server has
// written it: it waits for the next request, or closes the connection.
func (c *conn) answered() {
	c.open.bodies.budget.Give(c.answer)
	c.answer = 0
	c.open.bodies.tidier.body(c.open.bodies.budget)
}

const (
	// A connection keeps as much as the largest head on it took: one of more than this
	// ends with its answer.
	largeHead = 8 << 10
	// A query's parameters take more than its text: those of one longer than this are
	// forgotten with the request.
	largeQuery = 256
)

// shrink has the connection keep little of a large request.
func shrink(ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	target := len(h.RequestURI())
	if target > largeQuery {
		ctx.URI().SetQueryStringBytes(nil) // so that it is not parsed for this
		*ctx.QueryArgs() = fasthttp.Args{}
	}
	if target+len(h.RawHeaders()) > largeHead {
		ctx.SetConnectionClose()
	}
}
