// Package bare finds the bare connection under those that wrap it, so that the kernel can
// be told how much to keep for it.
package bare

import (
	"errors"
	"net"
	"syscall"
)

// A wrapper speaks TLS on another connection, or counts what comes by it.
type wrapper interface{ NetConn() net.Conn }

var errNoDescriptor = errors.New("bare: connection has no descriptor")

// Is reports whether a connection wraps no other: what is written to it is what the peer
// is sent.
func Is(conn net.Conn) bool {
	_, ok := conn.(wrapper)
	return !ok
}

// Conn is the bare connection under conn; conn itself if it wraps none.
func Conn(conn net.Conn) net.Conn {
	for {
		w, ok := conn.(wrapper)
		if !ok {
			return conn
		}
		conn = w.NetConn()
	}
}

// Control calls f with the descriptor of the bare connection under conn, which f must not
// keep. With an error f was not called: there is no descriptor, or it is closed.
func Control(conn net.Conn, f func(fd uintptr)) error {
	sc, ok := Conn(conn).(syscall.Conn)
	if !ok {
		return errNoDescriptor
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}
