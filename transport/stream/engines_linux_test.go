package stream

import (
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// dialer makes connections with a small receive buffer. It is set before the
// window is offered: made smaller later, it drops what the window let through,
// and the sender waits longer and longer before it tries again.
func dialer(buffer int) *net.Dialer {
	if buffer == 0 {
		return &net.Dialer{}
	}
	return &net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		}); e != nil {
			return e
		}
		return err
	}}
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
