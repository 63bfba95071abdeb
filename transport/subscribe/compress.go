package subscribe

import (
	"bytes"
	"strconv"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// chosenByHeader reports whether it was a header that had a stream compressed.
func chosenByHeader(ctx *fasthttp.RequestCtx, v view.View) bool {
	return v.Format.Encoding != wire.Identity && !ctx.QueryArgs().Has("encoding")
}

// takesGzip reports whether a client says that it takes gzip, and likes it no less than
// the stream as it is (RFC 9110, section 12.5.3). What is not well-formed says nothing.
func takesGzip(h *fasthttp.RequestHeader) bool {
	named, others, identity := -1.0, -1.0, -1.0
	for _, line := range h.PeekAll(fasthttp.HeaderAcceptEncoding) {
		for entry := range bytes.SplitSeq(line, []byte{','}) {
			coding, parameter, _ := bytes.Cut(entry, []byte{';'})
			weight, ok := weightOf(parameter)
			if !ok {
				continue
			}
			switch string(bytes.ToLower(bytes.TrimSpace(coding))) {
			case "gzip", "x-gzip":
				named = max(named, weight)
			case "*":
				others = max(others, weight)
			case "identity":
				identity = max(identity, weight)
			}
		}
	}
	if named < 0 {
		named = others
	}
	return named > 0 && named >= identity
}

// weightOf is what "q=0.5" says, 1 without it (RFC 9110, section 12.4.2).
func weightOf(parameter []byte) (float64, bool) {
	parameter = bytes.TrimSpace(parameter)
	if len(parameter) == 0 {
		return 1, true
	}
	name, value, _ := bytes.Cut(parameter, []byte{'='})
	weight, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	return weight, err == nil && bytes.EqualFold(bytes.TrimSpace(name), []byte("q")) && weight >= 0 && weight <= 1
}
