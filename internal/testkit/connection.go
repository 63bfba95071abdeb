package testkit

import (
	"net"
	"testing"
)

// Listen is a listener on a port of loopback, until the test ends.
func Listen(tb testing.TB) net.Listener {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	return ln
}

// Connect makes a connection to a listener, on which nobody else connects meanwhile. Both
// ends are closed when the test ends.
func Connect(tb testing.TB, ln net.Listener) (dialed, accepted net.Conn) {
	tb.Helper()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { dialed.Close() })
	accepted, err = ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { accepted.Close() })
	return dialed, accepted
}
