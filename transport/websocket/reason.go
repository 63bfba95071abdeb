package websocket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
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
	ReasonExpired                // its token or ticket has expired (1008)
	ReasonRevoked                // its token was removed or changed (1008)
	NumReasons
)

var reasonNames = [NumReasons]string{"left", "reset", "silent", "stalled", "protocol", "not_utf8", "too_big", "flood", "drained", "drain_deadline", "error", "expired", "revoked"}

func (r Reason) String() string { return reasonNames[r] }

// Reasons are all reasons, in order.
func Reasons() []Reason {
	all := make([]Reason, NumReasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// ReasonOf is why reading or writing a connection ended with an error.
func ReasonOf(err error) Reason {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return ReasonLeft
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonStalled
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonReset
	}
	return ReasonError
}
