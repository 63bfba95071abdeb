package front

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// wellFormed refuses what fasthttp lets through and a proxy in front may read
// differently: other versions of HTTP, a body with two lengths (RFC 9112, section
// 6.1), codings other than chunked (6.1), folded lines (5.2). It reads the head as
// it came: of an empty chunked body, for one, fasthttp keeps no trace.
//
// declared is the length of the body as the head has it; -1 if it has none. The
// header's own may have been changed, see headerReceived.
func wellFormed(h *fasthttp.RequestHeader) (declared int, reason refusal.Reason, ok bool) {
	declared = -1
	if p := h.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return declared, refusal.Version, false
	}
	coding := false
	for raw := h.RawHeaders(); len(raw) > 0; {
		switch raw[0] {
		case ' ', '\t':
			return declared, refusal.Malformed, false
		case 'c', 'C':
			if value, ok := headerValue(raw, fasthttp.HeaderContentLength); ok {
				declared = length(value)
			}
		case 't', 'T':
			if value, ok := headerValue(raw, fasthttp.HeaderTransferEncoding); ok {
				coding = true
				if !bytes.EqualFold(value, []byte("chunked")) {
					return declared, refusal.Malformed, false
				}
			}
		}
		i := bytes.IndexByte(raw, '\n')
		if i < 0 {
			break
		}
		raw = raw[i+1:]
	}
	return declared, refusal.Malformed, declared < 0 || !coding
}

// length reads a Content-Length, which the HTTP server has found to be digits.
func length(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = min(10*n+int(c-'0'), 1<<40)
	}
	return n
}

// headerValue is the value of the line at the start of raw, if name is its name.
func headerValue(raw []byte, name string) ([]byte, bool) {
	if len(raw) <= len(name) || raw[len(name)] != ':' || !strings.EqualFold(unsafe.String(&raw[0], len(name)), name) {
		return nil, false
	}
	line, _, _ := bytes.Cut(raw[len(name)+1:], []byte{'\n'})
	return bytes.TrimSpace(line), true
}
