// Package reply is what the answers of several rooms are made of.
package reply

import (
	"bytes"
	"io"

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

// noSniff keeps browsers from taking an answer for a page.
var noSniff = NewHeader(fasthttp.HeaderXContentTypeOptions, "nosniff")

// JSON answers with a value of a type that always encodes. It is not for caches.
func JSON(ctx *fasthttp.RequestCtx, v any) {
	var body bytes.Buffer
	if err := NewEncoder(&body).Encode(v); err != nil {
		panic("reply: " + err.Error())
	}
	JSONHead(ctx)
	ctx.Response.SetBodyRaw(body.Bytes()) // nobody else has it
}

// JSONHead is the head of an answer in JSON that is not for caches.
func JSONHead(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("application/json")
	noSniff.Set(&ctx.Response.Header)
	NoStore.Set(&ctx.Response.Header)
}

// NewEncoder is one for answers. It leaves <, > and & as they are: no answer in JSON is
// taken for a page, and escapes make it up to six times as long.
func NewEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
