package ws

import (
	"io"
	"net"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
)

// maxMessage is the largest message that a client may send. It is read and ignored.
const maxMessage = 64 << 10

// buffers are for reading messages; a socket has one only while it reads one.
var buffers = sync.Pool{New: func() any { return new([4096]byte) }}

// read takes in what the peer sends until the connection ends, and returns why.
// heard is called for everything that arrives, pong for a ping's payload. The
// library answers close frames and breaches of the protocol.
func read(c *websocket.Conn, l *line, heard func(), pong func(payload string)) (why Reason) {
	c.SetReadLimit(maxMessage)
	c.SetPongHandler(func(string) error { heard(); return l.flow.take(frameCost) })
	c.SetPingHandler(func(payload string) error { heard(); pong(payload); return l.flow.take(frameCost) })
	defer func() {
		if why == ReasonFlood {
			l.Write(closeFrame(codePolicy, "too much was sent"))
		}
	}()
	for {
		kind, message, err := c.NextReader()
		if err == nil {
			err = l.flow.take(frameCost)
		}
		if err != nil {
			return reasonOf(err)
		}
		heard()
		valid, err := ignore(message, kind == websocket.TextMessage)
		if !valid {
			l.Write(closeFrame(codeNotUTF8, "not valid UTF-8"))
			return ReasonNotUTF8
		}
		if err != nil {
			return reasonOf(err)
		}
	}
}

// Read serves the reading half of a connection whose other half somebody else
// writes: it answers the handshake, calls ready, reads until the connection ends,
// and gives the frames that answer pings, a close frame or a breach of the protocol
// to answer.
func (h Handshake) Read(conn net.Conn, early []byte, ready func(), answer func(frame []byte)) Reason {
	l := &line{Conn: conn, early: early}
	c, err := h.accept(l)
	if err != nil {
		return ReasonLeft
	}
	ready()
	l.control = func(frame []byte) { answer(slices.Clone(frame)) }
	return read(c, l, func() {}, func(payload string) { answer(pongFrame(payload)) })
}

// Linger ends a connection so that the peer gets what was written last: unread
// bytes would turn the end into a reset.
func Linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(lingerWait))
		io.CopyN(io.Discard, conn, lingerBytes)
	}
	conn.Close()
}

// ignore reads a message to its end and reports whether it is valid UTF-8, if it
// is a text. It looks at each part as it comes: the first wrong byte is the last
// one read (RFC 6455, section 8.1).
func ignore(message io.Reader, text bool) (valid bool, err error) {
	buffer := buffers.Get().(*[4096]byte)
	defer buffers.Put(buffer)
	kept := 0 // bytes of a character that is not whole yet
	for {
		n, err := message.Read(buffer[kept:])
		if text {
			rest, ok := checkUTF8(buffer[:kept+n])
			if !ok {
				return false, nil
			}
			kept = copy(buffer[:], rest)
		}
		switch err {
		case nil:
		case io.EOF:
			return kept == 0, nil
		default:
			return true, err
		}
	}
}

// checkUTF8 returns what may be the beginning of a character at the end of p.
func checkUTF8(p []byte) (rest []byte, ok bool) {
	if utf8.Valid(p) {
		return nil, true
	}
	for i := max(0, len(p)-utf8.UTFMax+1); i < len(p); i++ {
		if utf8.RuneStart(p[i]) && !utf8.FullRune(p[i:]) {
			return p[i:], utf8.Valid(p[:i])
		}
	}
	return nil, false
}
