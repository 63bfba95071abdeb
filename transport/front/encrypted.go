package front

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// TLS keeps a message of its own until it is whole, and lets the peer say how long it is:
// 64 KiB, 256 KiB if it calls it a certificate, in the handshake and at any time after it.
// So what may come of a peer that gives nothing to read is bounded, in bytes on the wire.
const (
	// A handshake. With the key shares of a post-quantum exchange and a ticket of ours a
	// client sends some 2 KiB; nobody asks it for a certificate.
	maxHandshake = 16 << 10
	// What comes before a read has something: a record of at most 18 KiB, and a few others.
	maxBetween = 20 << 10

	// tlsBytes is about what a connection that ends had: buffers, keys and a goroutine's
	// stack, and more if its handshake was made to be long.
	tlsBytes = 32 << 10
)

var errTooLong = errors.New("front: too much of TLS, and nothing to read")

// An encrypted connection is one over TLS. One goroutine at a time reads it.
type encrypted struct {
	*tls.Conn
	wire  wire
	plain *turnedAway // for who speaks HTTP without TLS
	begun bool        // the handshake is over
}

// encrypt speaks TLS on a connection. The handshake is part of the first read.
func encrypt(nc net.Conn, config *tls.Config, plain *turnedAway, ended *tidier) *encrypted {
	c := &encrypted{wire: wire{Conn: nc, left: maxHandshake, ended: ended}, plain: plain}
	c.Conn = tls.Server(&c.wire, config)
	return c
}

// Read implements [net.Conn].
func (c *encrypted) Read(p []byte) (int, error) {
	if !c.begun {
		if err := c.Handshake(); err != nil {
			c.answerPlain(err)
			return 0, err
		}
		c.begun, c.wire.left = true, maxBetween
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.wire.left = maxBetween
	}
	return n, err
}

// answerPlain tells who begins with a request instead of a handshake what is spoken here, once.
func (c *encrypted) answerPlain(err error) {
	var not tls.RecordHeaderError
	if c.plain == nil || !errors.As(err, &not) || not.Conn == nil {
		return
	}
	switch string(not.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "OPTIO":
		now := time.Now()
		c.plain.count.Add(1)
		_ = c.wire.SetWriteDeadline(now.Add(time.Second)) // the socket buffer of a new connection is empty
		_, _ = c.wire.Write(c.plain.answer.At(now))
		c.plain = nil
		readOut(c.wire.Conn) // the rest of the request: unread, it would reset the answer
	}
}

// A wire is what TLS reads and writes. It fails when too much was read.
type wire struct {
	net.Conn
	left  int // bytes that may be read
	ended *tidier
}

// NetConn is the connection under it.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, errTooLong
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// Close is called once, by TLS; not for the few connections that end without TLS's own end.
func (w *wire) Close() error {
	w.ended.memory.Left(tlsBytes)
	return w.Conn.Close()
}
