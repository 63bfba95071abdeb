package front

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

// An incoming is what a connection knows of the request that is arriving on it, of
// which the HTTP server tells only when it is there. The serving goroutine owns it.
//
//	begin        take ... take        handled
//	a deadline   bytes come           the handler is called; the request's bytes are subtracted
type incoming struct {
	between bool // no request since the last one was handled
	ever    bool // a byte has come since the connection was opened
	ended   bool // the peer has closed its side while a request was awaited or arriving
	got     int  // bytes since begin
	paid    int  // of these, how many have bought more time
	most    int  // so many may come; 0: any number
	crumbs  int  // reads since begin that gave little

	// While the head is arriving.
	head  bool
	line  bool // its first line has ended
	lines int  // that have ended, as far as somebody looked
	match int  // bytes of CR LF CR LF that have just come, or come before those in last

	broken error // what the next Read returns

	// What the HTTP server has and no request was made of: held bytes, of which the
	// last ones came in last. It is negative while a body is arriving.
	held    int
	unknown bool // held is, behind a chunked body, whose length on the wire nobody tells
	last    []byte
}

// floorRate is how fast a request must come, in bytes per second, when the read
// timeout is over: a slow uplink gets there in the end, a byte now and then does not.
const floorRate = 2 << 10

// The HTTP server looks through all of a head that is not whole, and of trailers, after each read.
// Over TLS a read gives one record, which may be of one byte, however many have come.
const (
	crumb      = 512                   // bytes; a read that gives fewer is one
	maxCrumbs  = 16                    // of a request, that are handed on one by one
	gatherTime = 20 * time.Millisecond // for so long the next ones wait for as many bytes
)

var (
	errBareLF    = errors.New("a line of the head ends without CR")
	errManyLines = errors.New("the head has too many lines")
	errTooMuch   = errors.New("much more is sent than the body is long")
)

// begin is called when a request may come.
func (in *incoming) begin() {
	if !in.between {
		return
	}
	in.between, in.ended, in.got, in.paid, in.crumbs = false, false, 0, 0, 0
	in.line, in.lines, in.match = false, 0, 0
	in.head = in.held == 0 && !in.unknown // of what is held nobody looks for the end of its head
}

// take looks at bytes before the HTTP server does. RFC 9112, section 2.2, lets a
// server take LF alone for the end of a line. The HTTP server does so in some places and
// waits for CR in others, and a client that waits for its answer waits in vain.
func (in *incoming) take(p []byte) {
	in.ever = true
	in.got += len(p)
	in.held += len(p)
	in.last = p
	if in.most > 0 && in.got > in.most {
		in.broken = errTooMuch
	}
	if in.head && !in.line {
		in.firstLine(p)
	}
}

func (in *incoming) firstLine(p []byte) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		in.match = 0
		if p[len(p)-1] == '\r' {
			in.match = 1
		}
		return
	}
	in.line = true
	if i > 0 && p[i-1] != '\r' || i == 0 && in.match != 1 {
		in.broken = errBareLF
	}
}

var endOfHead = []byte("\r\n\r\n")

// more is called when the HTTP server wants bytes besides the last ones. Most heads
// come whole, so that it does not, and nobody looks through them twice: the HTTP
// server waits for the rest of a head only at the start of its buffer, where the last
// bytes still are, and wellFormed finds other bare LFs in it.
func (in *incoming) more() {
	if !in.head || !in.line || in.between {
		return
	}
	p := in.last
	in.last = nil
	if bytes.Contains(p, endOfHead) {
		in.head = false
		return
	}
	for _, b := range p {
		switch {
		case b == '\r' && in.match == 2:
			in.match = 3
		case b == '\r':
			in.match = 1
		case b != '\n':
			in.match = 0
		case in.match&1 == 0:
			in.broken = errBareLF
			return
		default:
			in.match++
			in.lines++
		}
		if in.match == len(endOfHead) {
			in.head = false
			return
		}
	}
	if in.lines > 2+maxLines { // with the request's own, and an empty one before it (RFC 9112, section 2.2)
		in.broken = errManyLines
	}
}

// inCrumbs reports whether a read that gave n bytes should wait for more.
func (in *incoming) inCrumbs(n int) bool {
	if n < crumb {
		in.crumbs++
	}
	return n < crumb && in.crumbs > maxCrumbs
}

// late is by when the rest of a request must come that was to come by then: a second
// more for each floorRate bytes that came since it was asked last, but no more than
// step. So what came at once does not pay for a long silence.
func (in *incoming) late(by time.Time, step time.Duration) time.Time {
	came := in.got - in.paid
	in.paid = in.got
	return by.Add(min(step, time.Duration(came)*time.Second/floorRate))
}

// end is what an error of the socket means to the HTTP server. Browsers open
// connections that they may need: one on which nothing ever came ends without an
// answer, and nothing was refused.
func (in *incoming) end(err error) error {
	in.ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if !in.ever {
		return io.EOF
	}
	return err
}

// handled is called when the head of a request is there, and as much of its body as the
// HTTP server reads.
func (in *incoming) handled(h *fasthttp.RequestHeader) {
	in.between = true
	length := h.ContentLength()
	if length == chunked {
		in.unknown = true
	}
	raw := len(h.RawHeaders())
	if raw == 0 {
		raw = len("\r\n")
	}
	in.held -= len(h.Method()) + len(" ") + len(h.RequestURI()) + len(" ") + len(h.Protocol()) + len("\r\n") + raw + max(length, 0)
}

// holdsBack reports whether the next request has begun to come, and its head is there but
// not its body: then the HTTP server would keep the answer to this one until it is.
func (in *incoming) holdsBack() bool {
	return in.unknown || in.held > 0 && !in.whole()
}

// padded reports whether a chunked body came with much else: chunks of a byte each are
// slow, but extensions of chunks that are longer than the event have no purpose here.
func (in *incoming) padded(body int) bool {
	return in.got > 2*maxHead+8*body // what is held may begin with the next request
}

// whole reports whether what is held begins with a request that is there, or with a
// head that is not: for those the HTTP server does the right thing.
func (in *incoming) whole() bool {
	if in.held > len(in.last) {
		return false
	}
	next := in.last[len(in.last)-in.held:]
	head, body, ok := bytes.Cut(next, endOfHead)
	if !ok {
		return true
	}
	for line := range bytes.Lines(head) {
		if _, ok := headerValue(line, fasthttp.HeaderTransferEncoding); ok {
			return false
		}
		if value, ok := headerValue(line, fasthttp.HeaderContentLength); ok {
			n, err := fasthttp.ParseUint(value)
			return err == nil && n <= len(body)
		}
	}
	return true
}

// A flushed is the body of an answer that leaves at once.
type flushed struct{ body []byte }

// Read implements [io.Reader], which the HTTP server does not call.
func (f *flushed) Read(p []byte) (int, error) {
	n := copy(p, f.body)
	if f.body = f.body[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements [io.WriterTo].
func (f *flushed) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.body)
	if b, ok := w.(interface{ Flush() error }); ok && err == nil {
		err = b.Flush()
	}
	return int64(n), err
}

// flushAtOnce has the answer leave although another request is held.
func flushAtOnce(resp *fasthttp.Response) {
	body := resp.Body()
	resp.SwapBody(nil)               // it is ours, not for the HTTP server's pool
	resp.ImmediateHeaderFlush = true // where there is no body, or it is left out
	resp.SetBodyStream(&flushed{body}, len(body))
}
