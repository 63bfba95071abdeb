package front

import (
	"net"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/bare"
)

// limitUnsent has a connection keep no more, where the system can. Streams set what suits
// them (package stream).
func limitUnsent(nc net.Conn) {
	_ = bare.Control(nc, func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}
