//go:build !linux

package stream

import (
	"net"
	"testing"
)

func dialer(int) *net.Dialer { return &net.Dialer{} }

func descriptors(*testing.T) int { return 0 } // nobody counts them here
