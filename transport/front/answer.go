package front

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
)

// largeAnswer is from when on an answer costs the budget of answers its size until it is
// written: a peer that reads nothing has it kept.
const largeAnswer = 8 << 10

// unsent is how many bytes of an answer the kernel takes before the peer has room for
// them: its own limit is 4 MB for a connection.
const unsent = 128 << 10

// answerStall is how long the peer of a large answer may take for each part of it.
const (
	answerStall = 5 * time.Second
	answerPart  = 16 << 10
)

// Answers is the budget for large answers that are not read yet, all connections together.
type Answers struct {
	max  int64
	held atomic.Int64
}

// NewAnswers returns a budget of so many bytes.
func NewAnswers(max int) *Answers { return &Answers{max: int64(max)} }

// take reserves n bytes, and reports whether they were there.
func (a *Answers) take(n int) bool {
	if a.held.Add(int64(n)) > a.max {
		a.held.Add(-int64(n))
		return false
	}
	return true
}

// Collect implements [metric.Source].
func (a *Answers) Collect(to metric.Emitter) {
	to.Gauge("answers_bytes", "Memory for answers of more than 8 KiB that are not read yet.", float64(a.held.Load()))
	to.Gauge("answers_bytes_max", "Most of it that may be in use, as much as -bodies-bytes.", float64(a.max))
}

// answer takes what the answer needs from the budget, and refuses the request instead if
// that is used up. An answer to who publishes stays, since what it says has happened: it is
// about 100 events at most, and others are refused for it. Files that are built in, which have an ETag, cost nothing: all
// answers share their bytes. Operators on an address of their own get theirs in any case.
func (f *Front) answer(ctx *fasthttp.RequestCtx, c *conn) {
	resp := &ctx.Response
	if f.options.Uncapped || f.options.Answers == nil || resp.IsBodyStream() {
		return
	}
	size := len(resp.Body())
	if size <= largeAnswer || len(resp.Header.Peek(fasthttp.HeaderETag)) > 0 {
		return
	}
	if ctx.IsPost() {
		f.options.Answers.held.Add(int64(size))
	} else if !f.options.Answers.take(size) {
		resp.Reset()
		f.Refuse(ctx, refusal.Bodies)
		return
	}
	c.answer, c.answers = size, f.options.Answers
}

// answered gives back what the last answer took. It is called when the HTTP server has
// written it: it waits for the next request, or closes the connection.
func (c *conn) answered() {
	c.answers.held.Add(-int64(c.answer))
	if c.open.left != nil {
		c.open.left(c.answer)
	}
	c.answer = 0
}

// Write gives the peer of a large answer time for each part of it.
func (c *conn) Write(p []byte) (n int, err error) {
	if c.answer == 0 || c.slack == 0 {
		return c.Conn.Write(p)
	}
	defer func() {
		if err == nil {
			err = c.Conn.SetWriteDeadline(c.writeBy)
		}
	}()
	for n < len(p) && err == nil {
		// Over TLS a write that is not whole at its deadline was the last one: a part is
		// what a slow peer takes in that time.
		if err = c.Conn.SetWriteDeadline(time.Now().Add(answerStall)); err != nil {
			break
		}
		var k int
		k, err = c.Conn.Write(p[n:min(n+answerPart, len(p))])
		n += k
	}
	return n, err
}

const (
	// A connection keeps as much as the largest head on it took: one of more than this
	// ends with its answer.
	largeHead = 8 << 10
	// A query's parameters take more than its text: those of one longer than this are
	// forgotten with the request.
	largeQuery = 256
	// maxLines bounds the lines of a head, and of trailers: to the HTTP server each of them
	// costs more than its bytes.
	maxLines = 100
)

// manyLines reports whether a head has more lines than it may. A line has four bytes at
// least.
func manyLines(h *fasthttp.RequestHeader) bool {
	raw := h.RawHeaders()
	return len(raw) > 4*maxLines && bytes.Count(raw, []byte{'\n'}) > maxLines
}

const (
	// commonLines is how many lines of a head the HTTP server keeps by themselves, and counts
	// with the others.
	commonLines = 8
	// fewCookies is how long a head is that cannot have many cookies.
	fewCookies = 1536
)

// fewTrailers reports whether a chunked body came with few trailers: the HTTP server keeps
// them with the lines of the head. To count them it takes cookies apart, and keeps these:
// where there may be many, the connection ends with the answer instead.
func fewTrailers(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if len(h.RawHeaders()) > fewCookies {
		ctx.SetConnectionClose()
		return true
	}
	return h.Len() <= maxLines+commonLines
}

// shrink has the connection keep little of a large request.
func shrink(ctx *fasthttp.RequestCtx) {
	ForgetQuery(ctx)
	h := &ctx.Request.Header
	if len(h.RequestURI())+len(h.RawHeaders()) > largeHead {
		ctx.SetConnectionClose()
	}
}

// ForgetQuery lets go of the parameters of a request, if its target is long. A handler that
// waits for something calls it when it has read them.
func ForgetQuery(ctx *fasthttp.RequestCtx) {
	if len(ctx.Request.Header.RequestURI()) > largeQuery {
		ctx.URI().SetQueryStringBytes(nil) // so that it is not parsed for this
		*ctx.QueryArgs() = fasthttp.Args{}
	}
}
