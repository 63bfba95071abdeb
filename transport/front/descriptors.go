package front

import (
	"net"

	"event-dispatcher/transport/bare"
)

// ReservedDescriptors is how many the public listeners leave: for probes in the reserve,
// for operators, whose listener takes any, and for calls to Redis or NATS. Who cannot be
// asked whether he is well is taken for dead.
const ReservedDescriptors = reservePlaces + 16

// isScarce reports whether a connection has one of the last descriptors: the system gives
// the lowest one that is free.
func (l *listener) isScarce(nc net.Conn) bool {
	if l.scarce <= 0 {
		return false
	}
	scarce := false
	err := bare.Control(nc, func(fd uintptr) { scarce = int(fd) >= l.scarce })
	return err == nil && scarce
}
