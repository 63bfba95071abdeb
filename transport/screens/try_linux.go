package screens

import (
	"net"

	"golang.org/x/sys/unix"
)

// try writes what the connection takes at once, and leaves the rest in p.
func (s *socket) try(p *net.Buffers) (sum int64, err error) {
	if s.raw == nil {
		return 0, nil
	}
	failed := s.raw.Write(func(fd uintptr) bool {
		var n int
		if n, err = unix.Writev(int(fd), *p); n > 0 {
			sum = int64(n)
		}
		return true // one attempt
	})
	switch {
	case failed != nil:
		return 0, failed
	case err == unix.EAGAIN, err == unix.EINTR, err == unix.ENOBUFS, err == unix.ENOMEM:
		return 0, nil
	}
	for n := sum; n > 0 && len(*p) > 0; {
		if part := int64(len((*p)[0])); part <= n {
			n -= part
			*p = (*p)[1:]
		} else {
			(*p)[0] = (*p)[0][n:]
			n = 0
		}
	}
	return sum, err
}
