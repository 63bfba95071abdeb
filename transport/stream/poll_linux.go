package stream

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A poller is an epoll set and an eventfd that ends its sleep.
type poller struct {
	epoll, event int
	buffer       [256]unix.EpollEvent

	closing sync.Mutex // guards closed
	closed  bool
}

// wakeSlot marks the eventfd among the consumers' slots.
const wakeSlot = -1

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &poller{epoll: epoll, event: event}
	// Edge-triggered, so the count need never be read back: each write is an edge.
	err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeSlot})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return p, nil
}

// close may be called again: by then the numbers may be somebody else's, too.
func (p *poller) close() {
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	unix.Close(p.epoll)
	unix.Close(p.event)
}

// wake ends the current or the next wait. Any goroutine may call it, also after
// close: a publisher may be on its way to a loop that has ended, and by then the
// number of the descriptor may be somebody else's.
func (p *poller) wake() {
	p.closing.Lock()
	defer p.closing.Unlock()
	if !p.closed {
		one := [8]byte{1}
		unix.Write(p.event, one[:])
	}
}

// add watches a socket. Edge-triggered: one event now if it is writable, one
// whenever it becomes writable after a write that was cut short, one when the
// peer has closed.
func (p *poller) add(fd, slot int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(slot),
	})
}

// remove ends watching a socket. Closing its descriptor does that, too, unless
// another one is open: then news would still come, for a slot that is somebody
// else's by then.
func (p *poller) remove(fd int) {
	unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// wait calls found for every socket with news. It returns after one round, or
// when the timeout is over; a negative one never is.
func (p *poller) wait(timeout time.Duration, found func(slot int, events uint32)) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	for {
		n, err := unix.EpollWait(p.epoll, p.buffer[:], ms)
		if err != nil {
			return // EINTR: the loop comes back
		}
		for i := range p.buffer[:n] {
			if e := &p.buffer[i]; e.Fd != wakeSlot {
				found(int(e.Fd), e.Events)
			}
		}
		if n < len(p.buffer) {
			return
		}
		ms = 0
	}
}
