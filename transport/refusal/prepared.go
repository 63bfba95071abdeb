package refusal

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
)

// A Prepared is a whole response that ends its connection, for those that never become
// a request. Only its Date is still to be written.
type Prepared struct {
	text []byte
	date int // where it begins
}

// Prepare makes the answer for a reason. The headers are added to it.
func Prepare(r Reason, headers []reply.Header) Prepared {
	var resp fasthttp.Response
	resp.SetStatusCode(r.Status())
	for _, h := range headers {
		h.Set(&resp.Header)
	}
	resp.Header.SetContentType("text/plain; charset=utf-8")
	if r.Passes() {
		resp.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	}
	resp.Header.SetConnectionClose()
	resp.SetBodyString(r.String() + ": " + r.Text() + "\n")
	var b bytes.Buffer
	_, _ = resp.WriteTo(&b) // a buffer takes everything
	const name = "\r\nDate: "
	at := bytes.Index(b.Bytes(), []byte(name))
	if at < 0 {
		panic("refusal: a response without a Date")
	}
	return Prepared{b.Bytes(), at + len(name)}
}

// At is the answer at a moment (RFC 9110, section 6.6.1).
func (p Prepared) At(now time.Time) []byte {
	text := append([]byte(nil), p.text...)
	fasthttp.AppendHTTPDate(text[:p.date], now) // all dates are equally long
	return text
}
