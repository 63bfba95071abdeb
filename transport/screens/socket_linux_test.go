package screens

import (
	"crypto/tls"
	"testing"

	"golang.org/x/sys/unix"

	"event-dispatcher/internal/testkit"
)

func TestTheKernelKeepsLittleForASocketOverTLS(t *testing.T) {
	t.Parallel()
	_, far := testkit.Connect(t, testkit.Listen(t))
	limitKernelBuffer(tls.Server(far, &tls.Config{}))
	got := testkit.Option(t, far, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if want := 2 * 32 << 10; got != want { // the kernel doubles it
		t.Errorf("SO_SNDBUF = %d; want %d", got, want)
	}
}
