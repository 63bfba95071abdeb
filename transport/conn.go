package transport

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// A conn is a connection of an HTTP server. It adds what fasthttp leaves out: a
// limit for peers that do not read their answers, an end that lets a refused
// client read why, and a place where what was reserved for a stream is given back
// if the stream never opens.
type conn struct {
	net.Conn
	open *connections

	// How long a write may take beyond the read deadline at its time; 0 means
	// for ever. Only the serving goroutine touches writeBy.
	slack   time.Duration
	writeBy time.Time

	linger    atomic.Bool
	abandoned atomic.Pointer[func()] // run by Close
}

// SetReadDeadline is called by fasthttp once or twice per request. It also keeps
// the write deadline ahead, with a call of its own only every now and then: a
// deadline per answer would cost as much as a third of an event's validation.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.slack > 0 && t.Add(c.slack/2).After(c.writeBy) {
		c.writeBy = t.Add(c.slack)
		if err := c.Conn.SetWriteDeadline(c.writeBy); err != nil {
			return err
		}
	}
	return c.Conn.SetReadDeadline(t)
}

// lingerOnClose has Close take in what the client still sends, because closing a
// socket with unread bytes resets it, and a client that still sends a body would
// not see why it is refused.
func lingerOnClose(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger.Store(true)
	}
}

// Limits of lingering.
const (
	lingerBytes = 8 << 20
	lingerTime  = time.Second
)

// Close ends the connection; a second call does nothing more.
func (c *conn) Close() error {
	if f := c.abandoned.Swap(nil); f != nil {
		(*f)()
	}
	if c.linger.Swap(false) {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
			io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	err := c.Conn.Close()
	c.open.remove(c)
	return err
}

// release takes the bare connection out: it is not HTTP any more.
func (c *conn) release() net.Conn {
	c.abandoned.Store(nil)
	c.open.remove(c)
	return c.Conn
}

// connections are the open ones of a server.
type connections struct {
	mu  sync.Mutex
	all map[*conn]struct{}
}

// add wraps and remembers a connection.
func (cs *connections) add(nc net.Conn, slack time.Duration) *conn {
	c := &conn{Conn: nc, open: cs, slack: slack}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.all == nil {
		cs.all = map[*conn]struct{}{}
	}
	cs.all[c] = struct{}{}
	return c
}

func (cs *connections) remove(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.all, c)
}

func (cs *connections) len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// cut closes them all under their owners, who then remove them, and waits a
// little for that.
func (cs *connections) cut() {
	cs.mu.Lock()
	for c := range cs.all {
		c.Conn.Close()
	}
	cs.mu.Unlock()
	for deadline := time.Now().Add(time.Second); cs.len() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}
