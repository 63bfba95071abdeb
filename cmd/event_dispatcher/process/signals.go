package process

import (
	"os/signal"
	"syscall"
)

// Harden has the process outlive two things that end others without a drain: a log
// line when the reader of stderr is gone (SIGPIPE, which the Go runtime raises for
// descriptors 1 and 2 alone), and SIGHUP, which a closed terminal sends, and operators
// who want a daemon to read its files again.
func Harden() { signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP) }
