package stream

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/bare"
)

// This file has the system calls on consumers' sockets.

// notSentLowat keeps the backlog of a slow consumer in the ring, where it can be
// skipped and counted, instead of in the kernel: a consumer that stops reading
// holds 50 KB of kernel memory with it, 3.9 MB without.
const notSentLowat = 16 << 10

// unreadBytes is what the kernel is asked to keep for a socket that is never read. It
// doubles that, for what surrounds the bytes.
const unreadBytes = 4 << 10

// duplicate makes a descriptor of a connection that is not the runtime's.
func duplicate(conn net.Conn) (int, error) {
	dup := -1
	var err error
	if e := bare.Control(conn, func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return dup, err
}

// tune is setSocketOptions, for a connection whose descriptor is the runtime's.
func tune(conn net.Conn, stall time.Duration) {
	bare.Control(conn, func(fd uintptr) { setSocketOptions(int(fd), stall) })
}

func setSocketOptions(fd int, stall time.Duration) {
	// Best effort: a socket that is not TCP has neither.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat)
	// A peer that vanished acknowledges nothing, yet takes keep-alives into the
	// socket buffer for a quarter of an hour. A second more than our own limit,
	// so that a consumer that merely stalls is counted as that.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout(stall).Milliseconds()))
}

// ignore keeps little of what the peer of a stream that nobody reads sends: left alone,
// the kernel keeps 128 KiB of it for as long as the stream is open. The end still comes.
func ignore(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, unreadBytes) }

// quiet has the kernel ignore a peer that is read slowly, see ignore.
func quiet(conn net.Conn) { bare.Control(conn, func(fd uintptr) { ignore(int(fd)) }) }

func userTimeout(stall time.Duration) time.Duration { return stall + time.Second }

// stalled reports whether a connection timed out whose peer is there, see answered.
func stalled(conn net.Conn, stall time.Duration) (there bool) {
	bare.Control(conn, func(fd uintptr) { there = answered(int(fd), userTimeout(stall)) })
	return there
}

// answered reports whether the peer of a connection that timed out has answered
// lately: then it is there, only its window was shut all the time. So it is with
// a consumer that stopped reading while a few small events still fit into the
// socket.
func answered(fd int, timeout time.Duration) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && time.Duration(info.Last_ack_recv)*time.Millisecond < timeout-100*time.Millisecond
}

// socketError is the reason behind EPOLLERR or EPOLLHUP.
func socketError(fd int) Reason {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || code == 0 {
		return ReasonLeft
	}
	return reasonOf(syscall.Errno(code))
}

// send is write(2) without SIGPIPE. The descriptor is non-blocking, so the call
// is short and the scheduler need not hear of it.
func send(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// unacknowledged is how many bytes the kernel holds that the peer has not
// acknowledged, sent or not.
func unacknowledged(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// hangUp closes a socket. A clean end is a FIN behind the last byte; bytes that
// the peer sent and nobody read would turn it into a reset, so they are read.
func hangUp(fd int, clean bool) {
	if clean {
		unix.Shutdown(fd, unix.SHUT_WR)
		var sink [4096]byte
		for range 256 {
			if n, _, err := unix.Recvfrom(fd, sink[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC); n <= 0 || err != nil {
				break
			}
		}
	}
	unix.Close(fd)
}
