package program

import "syscall"

// dieWithParent has a process end with the test binary, whatever ends that.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
