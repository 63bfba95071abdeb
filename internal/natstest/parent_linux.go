package natstest

import "syscall"

// dieWithParent keeps no server behind when the test binary is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
