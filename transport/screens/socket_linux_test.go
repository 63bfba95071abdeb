package screens

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/bare"
)

func TestTheKernelKeepsLittleForASocketOverTLS(t *testing.T) {
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
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	limitKernelBuffer(tls.Server(far, &tls.Config{}))
	var got int
	failed := bare.Control(far, func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) })
	if want := 2 * 32 << 10; got != want || err != nil || failed != nil { // the kernel doubles it
		t.Errorf("SO_SNDBUF = %d, %v, %v; want %d", got, err, failed, want)
	}
}
