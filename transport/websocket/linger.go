package websocket

import (
	"io"
	"net"
	"time"
)

const (
	lingerWait  = time.Second // for what a peer still sends
	lingerBytes = 8 << 20
)

// Linger ends a connection so that the peer gets what was written last: unread
// bytes would turn the end into a reset.
func Linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(lingerWait))
		io.CopyN(io.Discard, conn, lingerBytes)
	}
	conn.Close()
}
