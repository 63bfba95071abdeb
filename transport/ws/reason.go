package ws

import (
	"errors"
	"io"
	"syscall"

	"github.com/fasthttp/websocket"
)

// A Reason says why a socket was closed. It is a metric label and a log field.
type Reason uint8

const (
	ReasonLeft     Reason = iota // the peer closed
	ReasonReset                  // the peer reset its connection
	ReasonSilent                 // it answered none of two pings
	ReasonStalled                // it took no byte for the stall limit
	ReasonProtocol               // a frame that the protocol forbids (1002)
	ReasonNotUTF8                // a text that is not UTF-8 (1007)
	ReasonTooBig                 // a message over the limit (1009)
	ReasonFlood                  // more sent than is read and thrown away (1008)
	ReasonDrained                // shutdown (1001)
	ReasonDeadline               // still open when the drain's time was up
	ReasonError                  // any other error of the connection
	reasons
)

var reasonNames = [reasons]string{"left", "reset", "silent", "stalled", "protocol", "not_utf8", "too_big", "flood", "drained", "drain_deadline", "error"}

func (r Reason) String() string { return reasonNames[r] }

// Reasons are all reasons, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// reasonOf is why reading ended. What the library found wrong itself has no type.
func reasonOf(err error) Reason {
	var closed *websocket.CloseError
	var errno syscall.Errno
	var network interface{ Timeout() bool }
	switch {
	case errors.As(err, &closed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonLeft
	case errors.Is(err, errFlood):
		return ReasonFlood
	case errors.Is(err, websocket.ErrReadLimit):
		return ReasonTooBig
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonReset
	case errors.As(err, &errno), errors.As(err, &network):
		return ReasonError
	}
	return ReasonProtocol
}
