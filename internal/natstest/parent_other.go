//go:build unix && !linux

package natstest

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
