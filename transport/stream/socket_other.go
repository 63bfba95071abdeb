//go:build !linux

package stream

import (
	"net"
	"time"

	"event-dispatcher/transport/bare"
)

// This file has what is asked of consumers' sockets where there is no epoll.

// tune keeps the backlog of a slow consumer in the ring, as far as the system lets it.
func tune(conn net.Conn, _ time.Duration) {
	if tcp, ok := bare.Conn(conn).(interface{ SetWriteBuffer(bytes int) error }); ok {
		tcp.SetWriteBuffer(slotBytes)
	}
}

// quiet has the kernel keep little of what a peer sends.
func quiet(conn net.Conn) {
	if tcp, ok := bare.Conn(conn).(interface{ SetReadBuffer(bytes int) error }); ok {
		tcp.SetReadBuffer(slotBytes)
	}
}

// stalled reports false: nothing tells a peer that is there from one that is gone.
func stalled(net.Conn, time.Duration) bool { return false }
