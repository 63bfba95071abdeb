package testkit

import "syscall"

// DieWithParent has a process end with the test binary, whatever ends that.
func DieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
