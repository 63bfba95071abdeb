package front

import (
	"io"
	"net"
	"time"
)

// Limits of lingering.
const (
	lingerBytes = 8 << 20
	lingerTime  = time.Second
)

// Linger ends a connection so that the peer gets what was written last: unread
// bytes would turn the end into a reset.
func Linger(nc net.Conn) {
	readOut(nc)
	nc.Close()
}

// readOut says that nothing more is written, and reads until the peer hangs up.
func readOut(nc net.Conn) {
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		nc.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, nc, lingerBytes)
	}
}
