//go:build !linux

package testkit

import "syscall"

// DieWithParent has a process end with the test binary, where the system can do that.
func DieWithParent() *syscall.SysProcAttr { return nil }
