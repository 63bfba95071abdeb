//go:build !linux

package front

import "net"

func limitUnsent(net.Conn) {}
