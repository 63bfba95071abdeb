package websocket

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
		askToUpgrade(ctx)
		return h, refusal.Upgrade, false
	case errors.Is(err, ErrVersion):
		askToUpgrade(ctx)
		ctx.Response.Header.Set(fasthttp.HeaderSecWebSocketVersion, "13")
		return h, refusal.SocketVersion, false
	}
	return h, refusal.Handshake, false
}

// askToUpgrade sets what an answer with the status 426 has (RFC 9110, section 15.5.22).
func askToUpgrade(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(fasthttp.HeaderUpgrade, "websocket")
	ctx.Response.Header.Set(fasthttp.HeaderConnection, "Upgrade")
}
