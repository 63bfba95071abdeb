// Package reply is what the answers of several rooms are made of.
package reply

import (
	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// A Header is one line of a response head. Its key is in canonical form.
type Header struct{ Key, Value []byte }

// NewHeader returns the line with a key that is in canonical form.
func NewHeader(key, value string) Header { return Header{[]byte(key), []byte(value)} }

// Set adds the line to a response, or replaces the one with its key.
func (h Header) Set(resp *fasthttp.ResponseHeader) { resp.SetCanonical(h.Key, h.Value) }

// NoStore is for answers that say what is so now.
var NoStore = NewHeader(fasthttp.HeaderCacheControl, "no-store")

// JSON answers with a value of a type that always encodes. It is not for caches.
func JSON(ctx *fasthttp.RequestCtx, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("reply: " + err.Error())
	}
	ctx.Response.Header.SetContentType("application/json")
	NoStore.Set(&ctx.Response.Header)
	ctx.SetBody(append(body, '\n'))
}
