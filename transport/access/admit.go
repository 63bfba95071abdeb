package access

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// grantKey is where a request carries its grant.
type grantKey struct{}

// Admit checks a request on the way to its handler, which finds the grant by
// GrantOf. It adds the challenge to the answer of one that is refused. meter may be nil.
func (g *Gate) Admit(ctx *fasthttp.RequestCtx, memo *Memo, need Right, meter Meter) (refusal.Reason, bool) {
	if g == nil || need == None {
		return 0, true
	}
	grant, no := g.check(ctx, memo, need, meter)
	if no == Granted {
		ctx.SetUserValue(grantKey{}, grant)
		return 0, true
	}
	challenge(ctx, no, need)
	return no.Reason(), false
}

func challenge(ctx *fasthttp.RequestCtx, no Refusal, need Right) {
	if c := no.Challenge(need); c != "" {
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, c)
	}
}

// GrantOf is the grant of a request that was admitted: everything where there is no
// gate.
func GrantOf(ctx *fasthttp.RequestCtx) *Grant {
	if grant, ok := ctx.UserValue(grantKey{}).(*Grant); ok {
		return grant
	}
	return everybody
}
