package stream

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestErrnoHasAReason(t *testing.T) {
	t.Parallel()
	const winsock = 10_000 // its numbers are these and BSD's
	for errno, want := range map[syscall.Errno]Reason{
		syscall.EPIPE: ReasonLeft, syscall.ECONNRESET: ReasonReset, syscall.ETIMEDOUT: ReasonVanished,
		syscall.EHOSTUNREACH: ReasonVanished, syscall.ENETUNREACH: ReasonVanished, syscall.EBADF: ReasonError,
		winsock + 54: ReasonReset, winsock + 53: ReasonReset, winsock + 58: ReasonLeft,
		winsock + 60: ReasonVanished, winsock + 65: ReasonVanished, winsock + 51: ReasonVanished, winsock + 22: ReasonError,
	} {
		for _, err := range []error{errno, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("wsasend", errno)}} {
			if got := reasonOf(err); got != want {
				t.Errorf("reasonOf(%v) = %v; want %v", err, got, want)
			}
		}
	}
	if got := reasonOf(errors.New("of the library's own")); got != ReasonError {
		t.Errorf("reasonOf(an error without a number) = %v; want %v", got, ReasonError)
	}
}
