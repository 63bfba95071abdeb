package screens

import (
	"golang.org/x/sys/unix"
)

// An attempt is one write that does not wait.
type attempt struct {
	do  func(fd uintptr) bool // made once for a batch's memory
	of  *batch
	n   int
	err error
}

// hungUp reports whether the peer has closed the connection.
func (w *writer) hungUp() (gone bool) {
	if w.raw == nil {
		return false
	}
	err := w.raw.Control(func(fd uintptr) {
		is := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, _ := unix.Poll(is, 0) // does not wait; what it cannot tell, the reader will
		gone = n == 1
	})
	return gone || err != nil
}

// try writes what the connection takes at once, and leaves the rest in b.
func (w *writer) try(b *batch) (int64, error) {
	if w.raw == nil {
		return 0, nil
	}
	if b.of != b {
		b.of = b
		b.do = func(fd uintptr) bool {
			b.n, b.err = unix.Writev(int(fd), b.bytes)
			return true // do not wait
		}
	}
	if err := w.raw.Write(b.do); err != nil {
		return 0, err
	}
	switch b.err {
	case nil:
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM:
		return 0, nil
	default:
		return 0, b.err
	}
	for n := b.n; n > 0 && len(b.bytes) > 0; {
		if part := len(b.bytes[0]); part <= n {
			n -= part
			b.bytes = b.bytes[1:]
		} else {
			b.bytes[0] = b.bytes[0][n:]
			n = 0
		}
	}
	return int64(b.n), nil
}
