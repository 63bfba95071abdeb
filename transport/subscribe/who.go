package subscribe

import (
	"net/netip"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/client"
	"event-dispatcher/transport/stream"
)

// Longest texts of strangers that are kept while their stream is open, in bytes.
const (
	maxName  = 64
	maxAgent = 128
)

// who is what operators are told of a consumer.
func who(ctx *fasthttp.RequestCtx, addresses *client.Addresses) stream.Who {
	w := stream.Who{
		Name:   legible(ctx.QueryArgs().Peek("name"), maxName),
		Agent:  legible(ctx.Request.Header.UserAgent(), maxAgent),
		Client: addresses.Of(ctx),
	}
	if w.Client == client.Peer(ctx.RemoteAddr()) {
		w.Client = netip.Addr{} // the connection says it
	}
	return w
}

// legible is a text of at most so many bytes without anything that a terminal or a page
// might obey.
func legible(text []byte, most int) string {
	var clean []byte
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if len(clean)+utf8.RuneLen(r) > most {
			break
		}
		clean = utf8.AppendRune(clean, r)
	}
	return string(clean)
}
