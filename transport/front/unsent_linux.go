package front

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnsent has a connection keep no more, where the system can. Streams set what suits
// them (package stream).
func limitUnsent(nc net.Conn) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}
