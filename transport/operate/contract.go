package operate

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/operate/contract"
	"event-dispatcher/transport/static"
)

func contractFiles() *static.Files { return static.New(contract.Files) }

// Contract serves /openapi.json and /asyncapi.json.
func (op *Operators) Contract(ctx *fasthttp.RequestCtx) {
	op.contracts.Serve(ctx, string(ctx.URI().PathOriginal()[1:]), static.Policy)
}
