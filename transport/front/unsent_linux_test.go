package front

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A peer that reads nothing has the kernel keep little of its answers.
func TestLittleOfAnAnswerIsUnsent(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := (&listener{Listener: ln, open: &connections{}}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	raw, err := far.(*conn).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	if err := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT) }); err != nil {
		t.Fatal(err)
	}
	if got != unsent {
		t.Errorf("TCP_NOTSENT_LOWAT of a connection = %d, %v; want %d", got, err, unsent)
	}
}
