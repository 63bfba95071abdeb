package front

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// largeBodies bounds the memory of bodies that may be larger than MaxBody: batches.
// The HTTP server makes room for a body as soon as it knows its length, and many
// clients that announce large bodies and send nothing would take it all.
//
// A body holds its room until its request was handled or refused. One whose
// connection ends without either gives it back when reading would have timed out.
// A chunked body takes room as it comes, so that it holds that of a small one.
type largeBodies struct {
	timeout time.Duration
	n       atomic.Int32 // len(holds), for all those that need no lock

	mu    sync.Mutex
	holds map[*fasthttp.RequestHeader]hold
	bytes int
}

type hold struct {
	bytes   int
	limit   int  // of its body
	refused bool // there was no room
	until   time.Time
}

// maxLargeBytes is the room for large bodies; one of them is let in whatever its size.
const maxLargeBytes = 64 << 20

func (l *largeBodies) init(timeout time.Duration) {
	l.timeout = timeout + time.Second
	l.holds = map[*fasthttp.RequestHeader]hold{}
}

// admit holds room for a body. It reports false if there is none.
func (l *largeBodies) admit(h *fasthttp.RequestHeader, bytes, limit int) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(h) // what the header's owner left behind
	if l.fullLocked(bytes) {
		for other, held := range l.holds {
			if now.After(held.until) {
				l.dropLocked(other)
			}
		}
	}
	held := hold{bytes, limit, l.fullLocked(bytes), now.Add(l.timeout)}
	if held.refused {
		held.bytes = 0
	}
	l.holds[h] = held
	l.bytes += held.bytes
	l.n.Store(int32(len(l.holds)))
	return !held.refused
}

func (l *largeBodies) fullLocked(bytes int) bool {
	return l.bytes > 0 && l.bytes+bytes > maxLargeBytes
}

// release gives the room of a request back, if it held any.
func (l *largeBodies) release(h *fasthttp.RequestHeader) (hold, bool) {
	if l.n.Load() == 0 {
		return hold{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropLocked(h)
}

func (l *largeBodies) dropLocked(h *fasthttp.RequestHeader) (hold, bool) {
	held, ok := l.holds[h]
	if ok {
		delete(l.holds, h)
		l.bytes -= held.bytes
		l.n.Store(int32(len(l.holds)))
	}
	return held, ok
}

const chunked = -1 // as a length

// headerReceived says how large the body of a request may be.
func (f *Front) headerReceived(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	length := h.ContentLength()
	if length != chunked && length <= f.options.MaxBody {
		return c
	}
	limit := f.bodyLimit(h)
	if limit <= f.options.MaxBody || length > limit {
		return c // too large
	}
	if f.large.admit(h, max(length, f.options.MaxBody), limit) {
		c.MaxRequestBodySize = limit
	}
	return c
}

// bodyLimit is how large the body of a request may be.
func (f *Front) bodyLimit(h *fasthttp.RequestHeader) int {
	if f.options.BodyLimit != nil {
		if n := f.options.BodyLimit(h); n > 0 {
			return n
		}
	}
	return f.options.MaxBody
}
