package bare

import (
	"crypto/tls"
	"net"
	"testing"
)

type wrapping struct{ net.Conn }

func (w wrapping) NetConn() net.Conn { return w.Conn }

func TestUnderWrappersIsTheBareConnection(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tcp, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for name, conn := range map[string]net.Conn{
		"bare": tcp, "TLS": tls.Client(tcp, nil), "TLS over a wrapper": tls.Client(wrapping{tcp}, nil),
	} {
		called := false
		err := Control(conn, func(uintptr) { called = true })
		if Conn(conn) != tcp || Is(conn) != (name == "bare") || err != nil || !called {
			t.Errorf("%s: Conn() is the bare one: %v, Is() = %v, Control() = %v, called %v", name, Conn(conn) == tcp, Is(conn), err, called)
		}
	}
}

func TestAPipeHasNoDescriptor(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if err := Control(wrapping{near}, func(uintptr) { t.Error("Control called f") }); err == nil {
		t.Error("Control(of a pipe) = nil; want an error")
	}
}
