package operate

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/operate/contract"
	"event-dispatcher/transport/static"
)

// contracts describes the service, for tools.
type contracts struct{ files *static.Files }

func newContracts() contracts { return contracts{static.New(contract.Files)} }

// Contract serves /openapi.json and /asyncapi.json.
func (c contracts) Contract(ctx *fasthttp.RequestCtx) {
	c.files.Serve(ctx, string(ctx.URI().PathOriginal()[1:]), static.Policy)
}
