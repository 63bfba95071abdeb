package refusal

import (
	"bytes"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Seen is what is known of a request that was refused: enough to find out who sends
// it, and nothing of what it said.
type Seen struct {
	At          time.Time `json:"at"`
	Method      string    `json:"method"`
	PathBytes   int       `json:"path_bytes"`
	QueryBytes  int       `json:"query_bytes"`
	BodyBytes   int       `json:"body_bytes"` // as the request says, 0 if it does not; -1: in chunks
	ContentType string    `json:"content_type,omitempty"`
	Encoding    string    `json:"content_encoding,omitempty"`
}

// An Entry is the refusals for one reason on one path.
type Entry struct {
	Reason Reason
	Route  int
	Count  uint64
	Last   *Seen // one of the last second with refusals; nil for what never became a request
}

// count counts a refusal, and keeps one a second: they come in floods.
func (d *Desk) count(ctx *fasthttp.RequestCtx, r Reason, route int) {
	t := &d.counts[r]
	t.by[route].Add(1)
	now := time.Now()
	if last := t.last[route].Load(); last != nil && now.Sub(last.At) < time.Second {
		return
	}
	h := &ctx.Request.Header
	t.last[route].Store(&Seen{
		At: now, Method: word(h.Method()), PathBytes: len(ctx.URI().PathOriginal()), QueryBytes: len(ctx.URI().QueryString()),
		BodyBytes: declared(h), ContentType: word(h.ContentType()), Encoding: word(h.ContentEncoding()),
	})
}

// declared is how long a request says that its body is.
func declared(h *fasthttp.RequestHeader) int {
	const none = -2 // of fasthttp: nothing is said
	switch n := h.ContentLength(); n {
	case none:
		return 0
	case 0: // or set to that, so that no body is awaited: the raw head has what was said
		for line := range bytes.Lines(h.RawHeaders()) {
			name, value, _ := bytes.Cut(line, []byte{':'})
			if n, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil && bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength)) {
				return n
			}
		}
		return 0
	default:
		return n
	}
}

// word is the first word of a header, if it is one that a header of its kind has.
func word(value []byte) string {
	value, _, _ = bytes.Cut(value, []byte(";"))
	if len(value) > 64 {
		return "other"
	}
	for _, c := range value {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("/+.-"), c) >= 0) {
			return "other"
		}
	}
	return string(value)
}

// Entries lists what was refused, in the order of reasons and routes.
func (d *Desk) Entries() []Entry {
	var list []Entry
	for r := range Count {
		for route := range MaxRoutes {
			if n := d.counts[r].by[route].Load(); n > 0 {
				list = append(list, Entry{r, route, n, d.counts[r].last[route].Load()})
			}
		}
	}
	return list
}
