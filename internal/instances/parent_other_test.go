//go:build unix && !linux

package instances

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
