package testkit

import (
	"net"
	"syscall"
	"testing"
)

// Option is an option of the socket under a connection that wraps no other (getsockopt(2)).
func Option(tb testing.TB, conn net.Conn, level, name int) (value int) {
	tb.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { value, failed = syscall.GetsockoptInt(int(fd), level, name) })
	if err != nil || failed != nil {
		tb.Fatalf("getsockopt(%d, %d): %v, %v", level, name, err, failed)
	}
	return value
}
