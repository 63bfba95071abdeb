package screens

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

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

// A socket whose peer has hung up costs no reading.
func TestNothingIsReadForAPeerThatHungUp(t *testing.T) {
	t.Parallel()
	b, a := testkit.Connect(t, testkit.Listen(t))
	s := newSocket(newHost(t, HubOptions{}).Hub, a, &outbox{}, nil)
	if s.hungUp() {
		t.Error("a peer that is there has hung up")
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if s.hungUp() {
		t.Error("a peer that sent something has hung up")
	}
	if err := a.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if s.hungUp() {
		t.Error("a peer has hung up because a deadline of ours is over")
	}
	if err := b.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	b.Close() // a reset
	testkit.Eventually(t, "the peer is seen to have hung up", s.hungUp)
}
