package ws

import (
	"errors"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// Check is ParseHandshake for a handler: if there is no handshake, it says why, and
// sets the headers that say what would be one.
func Check(ctx *fasthttp.RequestCtx) (Handshake, refusal.Reason, bool) {
	h, err := ParseHandshake(&ctx.Request.Header)
	switch {
	case err == nil:
		return h, 0, true
	case errors.Is(err, ErrNoUpgrade):
		ctx.Response.Header.Set(fasthttp.HeaderUpgrade, "websocket")
		return h, refusal.Upgrade, false
	case errors.Is(err, ErrVersion):
		ctx.Response.Header.Set(fasthttp.HeaderSecWebSocketVersion, "13")
		return h, refusal.SocketVersion, false
	}
	return h, refusal.Handshake, false
}
