package stream

import "golang.org/x/sys/unix"

// reserveDescriptors has the kernel make its table of our descriptors large
// enough for n at once. Left alone it doubles the table when it is full, and in a
// process of several threads each doubling waits for an RCU grace period: a
// storm of new consumers then stops in accept(2) and dup(2) again and again,
// each time with one more thread per goroutine caught in there (10,000
// consumers at once: 126 threads, and 17 when the table is there).
func reserveDescriptors(n int) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	highest := int(min(uint64(n), limit.Cur)) - 1
	// Any descriptor will do, as long as the copy's number is high.
	source, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	defer unix.Close(source)
	if fd, err := unix.FcntlInt(uintptr(source), unix.F_DUPFD_CLOEXEC, highest); err == nil {
		unix.Close(fd)
	}
}
