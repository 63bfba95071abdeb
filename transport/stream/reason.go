package stream

import (
	"errors"
	"syscall"
)

// A Reason says why a consumer was closed. It is a metric label and a log field.
type Reason uint8

const (
	ReasonLeft     Reason = iota // the consumer closed its connection
	ReasonReset                  // the consumer reset its connection
	ReasonStalled                // it took no byte for the stall limit
	ReasonVanished               // the kernel gave up on unacknowledged bytes
	ReasonDrained                // clean end at shutdown
	ReasonDeadline               // still behind when the drain's time was up
	ReasonError                  // any other error of the socket
	ReasonExpired                // its token or ticket has expired
	ReasonRevoked                // its token was removed or changed
	ReasonMemory                 // too much was kept for it
	reasons
)

var reasonNames = [reasons]string{"left", "reset", "stalled", "vanished", "drained", "drain_deadline", "error", "expired", "revoked", "memory"}

func (r Reason) String() string { return reasonNames[r] }

// Reasons are all reasons, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// Winsock's numbers for what ended a connection. The errors of package syscall
// that have POSIX names have numbers of Go's own on Windows, which no call returns
// (learn.microsoft.com, "Windows Sockets Error Codes").
const (
	wsaNetUnreachable  syscall.Errno = 10051
	wsaAborted         syscall.Errno = 10053
	wsaReset           syscall.Errno = 10054
	wsaShutdown        syscall.Errno = 10058
	wsaTimedOut        syscall.Errno = 10060
	wsaHostUnreachable syscall.Errno = 10065
)

var errnoReasons = map[syscall.Errno]Reason{
	syscall.EPIPE: ReasonLeft, wsaShutdown: ReasonLeft,
	syscall.ECONNRESET: ReasonReset, wsaReset: ReasonReset, wsaAborted: ReasonReset,
	syscall.ETIMEDOUT: ReasonVanished, wsaTimedOut: ReasonVanished,
	syscall.EHOSTUNREACH: ReasonVanished, wsaHostUnreachable: ReasonVanished,
	syscall.ENETUNREACH: ReasonVanished, wsaNetUnreachable: ReasonVanished,
}

// reasonOf is why a connection ended on which a call failed.
func reasonOf(err error) Reason {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if why, ok := errnoReasons[errno]; ok {
			return why
		}
	}
	return ReasonError
}
