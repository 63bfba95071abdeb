package front

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

var continues = []byte("100-continue")

// expectation writes "Expect: 100-continue" as the HTTP server wants it: other cases
// mean the same (RFC 9110, section 10.1.1). It takes the line out where no 100 may be
// sent, to HTTP/1.0, and where there is no body that it would be for.
func expectation(h *fasthttp.RequestHeader) {
	if len(h.Peek(fasthttp.HeaderExpect)) == 0 {
		return
	}
	asks := false
	for _, line := range h.PeekAll(fasthttp.HeaderExpect) {
		for item := range bytes.SplitSeq(line, []byte(",")) {
			asks = asks || bytes.EqualFold(bytes.TrimSpace(item), continues)
		}
	}
	h.Del(fasthttp.HeaderExpect)
	if length := h.ContentLength(); asks && h.IsHTTP11() && (length > 0 || length == chunked) {
		h.SetBytesV(fasthttp.HeaderExpect, continues)
	}
}
