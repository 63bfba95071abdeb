package stream

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// A Wire is what a pool writes besides events. The slices are shared and must
// not be modified.
type Wire struct {
	// KeepAlive is written to a consumer that got no bytes for a while.
	KeepAlive []byte

	// AppendSkipped appends the notice that n events were skipped.
	AppendSkipped func(dst []byte, n uint64) []byte

	// AppendFarewell appends what ends a stream cleanly, asking the consumer
	// to come back after about the given time.
	AppendFarewell func(dst []byte, retry time.Duration) []byte
}

// An event on a Server-Sent Events stream is its JSON between these two: one
// "data" line and the empty line that dispatches it (WHATWG HTML, section 9.2.6
// "Interpreting an event stream"). JSON whose line breaks were replaced by
// spaces cannot end the line early.
const (
	EventPrefix = "data: "
	EventSuffix = "\n\n"
)

// OpeningComment is the first block of a stream. It is sent with the response
// head, so that a consumer sees its stream open before the first event.
const OpeningComment = ": connected\n\n"

// SSE is the wire of Server-Sent Events. Keep-alives and notices are comments,
// which every client ignores unless it looks for them.
func SSE() Wire {
	return Wire{
		KeepAlive: []byte(":\n\n"),
		AppendSkipped: func(dst []byte, n uint64) []byte {
			dst = append(dst, ": skipped "...)
			dst = strconv.AppendUint(dst, n, 10)
			return append(dst, EventSuffix...)
		},
		AppendFarewell: AppendRetry,
	}
}

// AppendRetry appends a block that sets the reconnection time of an EventSource.
func AppendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after.Milliseconds(), 10)
	return append(dst, EventSuffix...)
}

// Jitter is a random duration between low and high, so that consumers that were
// sent away together do not come back together.
func Jitter(low, high time.Duration) time.Duration {
	return low + rand.N(high-low)
}
