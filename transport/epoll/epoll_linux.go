package epoll

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Set is an epoll set. One goroutine, its owner, calls Wait; methods that change what is
// waited for may be called by any, until Close.
type Set struct {
	fd     int
	file   *os.File // is fd
	raw    syscall.RawConn
	look   func(uintptr) bool // fills events, without waiting
	found  int                // in events
	events [256]unix.EpollEvent

	woken atomic.Bool
}

// New returns an empty set, or the error of the system.
func New() (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // the runtime watches no others
		unix.Close(fd)
		return nil, fmt.Errorf("fcntl: %w", err)
	}
	s := &Set{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	s.look = func(uintptr) bool {
		n, err := unix.EpollWait(s.fd, s.events[:], 0)
		s.found = max(n, 0)
		return n > 0 || err != nil // EINTR: the owner comes back
	}
	if s.raw, err = s.file.SyscallConn(); err == nil {
		err = s.file.SetReadDeadline(time.Time{}) // fails for a file that is not watched
	}
	if err != nil {
		s.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return s, nil
}

// Close may be called again.
func (s *Set) Close() { s.file.Close() }

// Add has Wait tell of events (EPOLLIN and so on) of a descriptor, by its slot.
func (s *Set) Add(fd, slot int, events uint32) error {
	return s.control(unix.EPOLL_CTL_ADD, fd, slot, events)
}

// Change changes which events Wait tells of.
func (s *Set) Change(fd, slot int, events uint32) error {
	return s.control(unix.EPOLL_CTL_MOD, fd, slot, events)
}

// Remove has Wait tell of a descriptor no more. Closing it does that, too, unless another
// descriptor of the same socket is open: then news would still come, for a slot that is
// somebody else's by then.
func (s *Set) Remove(fd int) { unix.EpollCtl(s.fd, unix.EPOLL_CTL_DEL, fd, nil) }

func (s *Set) control(op, fd, slot int, events uint32) error {
	return unix.EpollCtl(s.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(slot)})
}

// Wake ends the current or the next Wait. Any goroutine may call it, also after Close:
// a publisher may be on its way to a loop that has ended.
func (s *Set) Wake() {
	s.woken.Store(true)
	s.file.SetReadDeadline(over)
}

var over = time.Unix(1, 0)

// Wait calls found for every socket with news. It returns after one round, or when the
// timeout is over; a negative one never is. News that comes with a wake-up may be left for
// the next call.
func (s *Set) Wait(timeout time.Duration, found func(slot int, events uint32)) {
	s.found = 0
	if timeout == 0 {
		s.look(0)
	} else {
		s.park(timeout)
	}
	s.woken.Store(false)
	for {
		for i := range s.events[:s.found] {
			e := &s.events[i]
			found(int(e.Fd), e.Events)
		}
		if s.found < len(s.events) {
			return
		}
		s.look(0)
	}
}

// park sleeps until a socket has news, somebody wakes the owner, or the timeout is over.
func (s *Set) park(timeout time.Duration) {
	until := time.Time{}
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	s.file.SetReadDeadline(until)
	if s.woken.Load() {
		s.look(0)
	} else {
		s.raw.Read(s.look)
	}
}
