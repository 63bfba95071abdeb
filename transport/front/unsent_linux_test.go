package front

import (
	"testing"

	"golang.org/x/sys/unix"

	"event-dispatcher/internal/testkit"
)

// A peer that reads nothing has the kernel keep little of its answers.
func TestLittleOfAnAnswerIsUnsent(t *testing.T) {
	t.Parallel()
	_, far := testkit.Connect(t, &listener{Listener: testkit.Listen(t), open: &connections{}})
	if got := testkit.Option(t, far.(*conn).Conn, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != unsent {
		t.Errorf("TCP_NOTSENT_LOWAT of a connection = %d; want %d", got, unsent)
	}
}
