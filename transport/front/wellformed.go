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
// 6.1), codings other than chunked (6.1), folded lines (5.2), names with blanks (5.1),
// lines without CR (2.2), targets and hosts that are none. It reads the head as it
// came: of an empty chunked body, for one, fasthttp keeps no trace.
//
// It also has fasthttp see "close" wherever it is in lists of Connection.
//
// declared is the length of the body as the head has it; -1 if it has none. The
// header's own may have been changed, see headerReceived.
func wellFormed(h *fasthttp.RequestHeader) (declared int, reason refusal.Reason, ok bool) {
	declared = -1
	if p := h.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return declared, refusal.Version, false
	}
	if reason, ok := target(h); !ok {
		return declared, reason, false
	}
	if manyLines(h) {
		return declared, refusal.HeadersTooLarge, false
	}
	coding, understood := false, true
	for raw := h.RawHeaders(); len(raw) > 0; {
		switch raw[0] {
		case ' ', '\t':
			return declared, refusal.Malformed, false
		case 'c', 'C':
			if value, ok := headerValue(raw, fasthttp.HeaderContentLength); ok {
				declared = length(value)
			} else if value, ok := headerValue(raw, fasthttp.HeaderConnection); ok && listed(value, "close") {
				h.SetConnectionClose()
			}
		case 't', 'T':
			if value, ok := headerValue(raw, fasthttp.HeaderTransferEncoding); ok {
				coding = true
				understood = understood && bytes.EqualFold(value, []byte("chunked"))
			}
		}
		i := bytes.IndexByte(raw, '\n')
		if i < 0 {
			break
		}
		if i == 0 || raw[i-1] != '\r' {
			return declared, refusal.Malformed, false
		}
		if name := bytes.IndexByte(raw[:i], ':'); name > 0 && bytes.IndexByte(raw[:name], ' ') >= 0 {
			return declared, refusal.Malformed, false
		}
		raw = raw[i+1:]
	}
	switch {
	case declared >= 0 && coding:
		return declared, refusal.Malformed, false
	case !understood:
		return declared, refusal.Coding, false
	}
	return declared, 0, true
}

// length reads a Content-Length, which the HTTP server has found to be digits.
func length(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = min(10*n+int(c-'0'), 1<<40)
	}
	return n
}

// maxPath is how long a target may be before its query. The HTTP server takes slashes that come
// twice out of paths, and moves the rest of the path for each; none of ours is as long.
const maxPath = 2 << 10

// longPath stands for the target of a request whose path is too long. No request line can have it.
const longPath = "# #"

// refuseLongPath has target refuse a request whose path is too long, before anybody parses it.
func refuseLongPath(h *fasthttp.RequestHeader) {
	uri := h.RequestURI()
	if len(uri) <= maxPath {
		return
	}
	if query := bytes.IndexByte(uri[:maxPath+1], '?'); query < 0 {
		h.SetRequestURI(longPath)
	}
}

// target checks what a request is for (RFC 9112, section 3.2) and its Host.
func target(h *fasthttp.RequestHeader) (refusal.Reason, bool) {
	method, uri := h.Method(), h.RequestURI()
	switch {
	case string(method) == fasthttp.MethodConnect:
		return refusal.Method, false // here is no tunnel to anywhere
	case string(uri) == longPath:
		return refusal.TargetTooLong, false
	case bytes.IndexByte(uri, '#') >= 0: // a fragment is the client's own
		return refusal.Malformed, false
	case len(uri) == 0 || uri[0] == '/':
	case string(uri) == "*":
		if string(method) != fasthttp.MethodOptions {
			return refusal.Malformed, false
		}
	default:
		rest, ok := bytes.CutPrefix(uri, []byte("http://"))
		if !ok {
			scheme, after, _ := bytes.Cut(uri, []byte("://"))
			if !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
				return refusal.Malformed, false
			}
			rest = after
		}
		if i := bytes.IndexAny(rest, "/?"); i >= 0 {
			rest = rest[:i]
		}
		if len(rest) == 0 || !isHost(rest) {
			return refusal.Malformed, false
		}
	}
	return refusal.Malformed, isHost(h.Host())
}

// isHost reports whether it is a host and perhaps a port (RFC 9110, section 7.2). The
// HTTP server lets one with a user through.
func isHost(host []byte) bool {
	if end := bytes.IndexByte(host, ']'); end > 0 && host[0] == '[' {
		for _, b := range host[1:end] {
			if !hexadecimal[b] && b != ':' && b != '.' {
				return false
			}
		}
		host = host[end+1:]
		return len(host) == 0 || isPort(host)
	}
	for i, b := range host {
		if b == ':' {
			return i > 0 && isPort(host[i:])
		}
		if !inHost[b] {
			return false
		}
	}
	return true
}

// isPort reports whether it is a colon and a number, or a colon alone.
func isPort(s []byte) bool {
	if s[0] != ':' || len(s) > len(":65535") {
		return false
	}
	n := 0
	for _, b := range s[1:] {
		if b < '0' || b > '9' {
			return false
		}
		n = 10*n + int(b-'0')
	}
	return n <= 65535
}

// Bytes of hosts: RFC 3986, section 3.2.2.
var (
	hexadecimal = set("0123456789abcdefABCDEF")
	inHost      = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=")
)

func set(bytes string) (s [256]bool) {
	for i := range len(bytes) {
		s[bytes[i]] = true
	}
	return s
}

// listed reports whether a comma-separated list has an item, in any case.
func listed(list []byte, item string) bool {
	for len(list) > 0 {
		one, rest, _ := bytes.Cut(list, []byte{','})
		if one = bytes.TrimSpace(one); len(one) == len(item) && strings.EqualFold(unsafe.String(&one[0], len(one)), item) {
			return true
		}
		list = rest
	}
	return false
}

// headerValue is the value of the line at the start of raw, if name is its name.
func headerValue(raw []byte, name string) ([]byte, bool) {
	if len(raw) <= len(name) || raw[len(name)] != ':' || !strings.EqualFold(unsafe.String(&raw[0], len(name)), name) {
		return nil, false
	}
	line, _, _ := bytes.Cut(raw[len(name)+1:], []byte{'\n'})
	return bytes.TrimSpace(line), true
}
