//go:build linux

package proxies

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"event-dispatcher/internal/program"
)

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// A service is the running program.
type service struct {
	*program.Program
	t    testing.TB
	addr string
}

// serve runs the program behind proxies on 127.0.0.1, and waits until it listens.
func serve(t testing.TB, args ...string) *service {
	t.Helper()
	p := program.Start(t, append([]string{"-trusted-proxies", "127.0.0.1", "-drain-window", "0"}, args...)...)
	return &service{p, t, p.Addrs[0]}
}

// addresses is how many loopback addresses were given away.
var addresses atomic.Uint32

// freeAddr is a loopback address where nobody listens, and nobody of this package
// will: two tests must not take the same one before either of them listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	n := addresses.Add(1)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+os.Getpid()%250, n/250, 1+n%250))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
