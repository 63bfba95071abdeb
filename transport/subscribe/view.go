package subscribe

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/view"
)

// View serves GET /events/view: what a stream with the same query would show, or why
// there can be none.
func (c *Consumers) View(ctx *fasthttp.RequestCtx) {
	asked, ok := c.ask(ctx, c.wishes.preferred(&ctx.Request.Header))
	if !ok {
		return
	}
	text := encoded(asked.view.MarshalJSON())
	if len(asked.unknown) > 0 {
		more := encoded(json.Marshal(misread(asked.unknown)))
		text = append(append(text[:len(text)-1], ','), more[1:]...)
	}
	reply.JSONHead(ctx)
	ctx.Response.SetBodyRaw(append(text, '\n'))
}

// unread is what a query has besides its view: parameters that mean nothing here.
type unread struct {
	Unknown []string          `json:"unknown"`
	Meant   map[string]string `json:"did_you_mean,omitempty"` // by their names
}

func misread(unknown []string) unread {
	u := unread{unknown, map[string]string{}}
	for _, name := range unknown {
		if meant := view.Meant(name); meant != "" {
			u.Meant[name] = meant
		}
	}
	return u
}

func encoded(text []byte, err error) []byte {
	if err != nil {
		panic("subscribe: " + err.Error()) // a view, and names, always encode
	}
	return text
}
