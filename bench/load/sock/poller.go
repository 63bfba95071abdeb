package sock

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poller is an epoll set in edge-triggered mode: a descriptor is named once
// each time that there is news of it. Add may be called by any goroutine, Wait
// by one.
type Poller struct {
	epfd   int
	events []unix.EpollEvent
}

// NewPoller returns an empty set.
func NewPoller() (*Poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, explain(err)
	}
	return &Poller{epfd: epfd, events: make([]unix.EpollEvent, 1024)}, nil
}

// Add watches fd under the name token. Closing fd takes it out again.
func (p *Poller) Add(fd int, token int32, writable bool) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: token}
	if writable {
		ev.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(p.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

// Wait sleeps until there is news or timeout has passed; epoll_pwait2 because
// a millisecond is too coarse to keep a rate. The result is valid until the
// next call.
func (p *Poller) Wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	ts := unix.NsecToTimespec(max(timeout, 0).Nanoseconds())
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epfd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, fmt.Errorf("wait for sockets: %w", errno)
	}
	return p.events[:n], nil
}

// Close gives the set back; descriptors in it stay open.
func (p *Poller) Close() { Close(p.epfd) }

// Exact asks the kernel not to round the calling thread's sleeps: the default
// slack of 50 µs would show in every latency.
func Exact() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// Urgent lets the calling thread preempt others when it wakes, which since
// Linux 6.12 a thread gets by asking for short slices; it gets no more of the
// CPU in sum. Players and consumers that measure time would be on other
// machines; here they must not wait until the server has used up its slice of
// three milliseconds. Older kernels take no notice.
func Urgent() {
	const slice = 100 * time.Microsecond // the shortest there is
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		attr.Runtime = uint64(slice.Nanoseconds())
		_ = unix.SchedSetAttr(0, attr, 0)
	}
}
