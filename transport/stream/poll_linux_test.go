package stream

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A goroutine that opens descriptors between two closes gets the numbers of the closed
// ones. Not parallel, so that this is us.
func TestPollerClosesItsDescriptorsOnce(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	for _, number := range []int{p.epoll, p.event} {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, number)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		p.close()
		p.wake()
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("descriptor %d, number %d of the closed poller: %v; want it open", fd, number, err)
		}
	}
}
