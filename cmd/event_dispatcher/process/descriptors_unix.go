//go:build unix

package process

import "syscall"

// Descriptors is how many descriptors the process may have; ok is false if the
// system does not say.
func Descriptors() (limit int, ok bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int(min(uint64(r.Cur), 1<<30)), true
}
