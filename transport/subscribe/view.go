package subscribe

import (
	"github.com/valyala/fasthttp"
)

// View serves GET /events/view: what a stream with the same query would show, or why
// there can be none.
func (c *Consumers) View(ctx *fasthttp.RequestCtx) {
	asked, ok := c.ask(ctx, c.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	text, err := asked.view.MarshalJSON()
	if err != nil {
		panic("subscribe: " + err.Error()) // a view always encodes
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.SetBody(append(text, '\n'))
}
