// Package sock is the thin layer over Linux sockets that the generator needs
// and package net does not give: descriptors without a goroutine or a buffer
// each, a source address per connection, resets on purpose, and receiving
// without copying. It shares two cores with the server under test, so what it
// saves is what the server can be shown to do.
package sock

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Addr is an IPv4 address and a port.
type Addr struct {
	IP   [4]byte
	Port int
}

func (a Addr) String() string {
	return fmt.Sprintf("%d.%d.%d.%d:%d", a.IP[0], a.IP[1], a.IP[2], a.IP[3], a.Port)
}

// ErrDescriptors says that the process has no descriptor left.
var ErrDescriptors = errors.New("descriptor table full: fewer connections, a higher limit (ulimit -n), or several generators")

// ErrPorts says that the source address has no port left.
var ErrPorts = errors.New("no free port on the source address: more source addresses, or fewer connections")

// Dial connects from source, any port, and waits for at most timeout. The
// descriptor it returns does not block.
func Dial(to Addr, source [4]byte, timeout time.Duration) (int, error) {
	fd, err := open(source, 0)
	if err != nil {
		return -1, err
	}
	// A blocking connect obeys the send timeout.
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err == nil {
		err = connect(fd, to)
		if err == unix.EINPROGRESS {
			err = unix.ETIMEDOUT
		}
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return -1, explain(err)
	}
	return fd, nil
}

// Start begins to connect and returns at once. Until the connection stands,
// sending gives EAGAIN.
func Start(to Addr, source [4]byte) (int, error) {
	fd, err := open(source, unix.SOCK_NONBLOCK)
	if err != nil {
		return -1, err
	}
	if err := connect(fd, to); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, explain(err)
	}
	return fd, nil
}

func open(source [4]byte, flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, explain(err)
	}
	// The port is chosen at connect, when the other side is known: otherwise
	// a source address is good for its range of ports once, not per server.
	err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: source})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, explain(err)
	}
	return fd, nil
}

func connect(fd int, to Addr) error {
	for {
		err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.IP, Port: to.Port})
		if err != unix.EINTR {
			return err
		}
	}
}

func explain(err error) error {
	switch err {
	case unix.EMFILE, unix.ENFILE:
		return ErrDescriptors
	case unix.EADDRNOTAVAIL:
		return ErrPorts
	}
	return err
}

// Recv reads what is there. It never blocks: nothing there is EAGAIN, and the
// end of the stream is 0 without an error.
func Recv(fd int, buf []byte) (int, unix.Errno) {
	return recv(fd, unsafe.Pointer(unsafe.SliceData(buf)), len(buf), unix.MSG_DONTWAIT)
}

// Discard drops up to limit received bytes inside the kernel and returns how
// many it dropped (tcp(7), MSG_TRUNC). Otherwise it is like [Recv].
func Discard(fd int, limit int) (int, unix.Errno) {
	return recv(fd, nil, limit, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
}

// Calls that cannot block go around the Go scheduler: RawSyscall.
func recv(fd int, p unsafe.Pointer, size int, flags uintptr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(p), uintptr(size), flags, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

// Send writes what fits. It never blocks and never raises SIGPIPE.
func Send(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

// Reset closes with RST instead of FIN: what a browser does to a beacon whose
// page is gone.
func Reset(fd int) {
	// If the option is refused, an orderly close is the next best thing.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	Close(fd)
}

// Close gives the descriptor back.
func Close(fd int) { _ = unix.Close(fd) }

// Descriptors returns how many descriptors the process may have open.
func Descriptors() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the descriptor limit: %w", err)
	}
	return limit.Cur, nil
}
