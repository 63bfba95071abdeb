package front

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/bare"
)

// A conn is a connection of an HTTP server. It adds what fasthttp leaves out: a
// limit for peers that do not read their answers, an end that lets a refused
// client read why, and a place where what was reserved for a stream is given back
// if the stream never opens.
type conn struct {
	net.Conn
	open *connections

	// How long a write may take beyond the read deadline at its time; 0 means
	// for ever. Only the serving goroutine touches these.
	slack   time.Duration
	writeBy time.Time
	readBy  time.Time // the read deadline
	armed   time.Time // the one that the socket has: readBy, or before it

	in     incoming
	failed error // what came with the last bytes: the next Read returns it

	// What access remembers of the requests before; the serving goroutine's.
	memo access.Memo

	// The reserve that has the connection's place; nil: it is an ordinary one.
	reserve    *reserve
	place      netip.Prefix
	reserveEnd time.Time

	body *buffer // of the request that is handled; nil: none

	answer  int // bytes of the budget that the answer has, until it is written
	answers *Answers

	linger    atomic.Bool
	lingering atomic.Bool
	abandoned atomic.Pointer[func()] // run by Close
}

// SetReadDeadline is called by fasthttp twice per request: for its first byte,
// and for the rest. Setting a deadline costs as much as half of an event's
// validation, so the socket keeps one that is not later than the new one, and
// Read deals with a deadline that was too early. The write deadline is kept ahead
// of the read deadline in passing.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.reserve != nil && !t.IsZero() {
		t = c.reserveEnd
	}
	c.in.begin()
	if c.answer > 0 {
		c.answered()
	}
	c.readBy = t
	if !c.armed.IsZero() && !t.IsZero() && !c.armed.After(t) {
		return nil
	}
	return c.arm()
}

func (c *conn) arm() error {
	c.armed = c.readBy
	if c.slack > 0 && c.readBy.Add(c.slack/2).After(c.writeBy) {
		c.writeBy = c.readBy.Add(c.slack)
		if err := c.Conn.SetWriteDeadline(c.writeBy); err != nil {
			return err
		}
	}
	return c.Conn.SetReadDeadline(c.readBy)
}

// Read waits until the read deadline, whatever the socket's is; longer if the request
// is slow and comes steadily, shorter if the front is leaving.
func (c *conn) Read(p []byte) (int, error) {
	if c.in.more(); c.in.broken != nil {
		return 0, c.in.broken
	}
	if c.failed != nil {
		return 0, c.in.end(c.failed)
	}
	for {
		n, err := c.Conn.Read(p)
		if n > 0 {
			if err == nil && c.in.inCrumbs(n) && c.open.leaving.Load() == staying {
				n, err = c.gather(p, n)
			}
			c.in.take(p[:n])
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				c.failed = err // the HTTP server must ask, so that we know that it wants more
			}
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, c.in.end(err)
		}
		if c.open.ends(c.in.got > 0) {
			if c.in.got > 0 {
				return 0, err
			}
			c.linger.Store(true) // a request may be on its way
			return 0, io.EOF
		}
		if now := time.Now(); !now.Before(c.readBy) {
			if c.readBy = c.in.late(c.readBy, c.open.step); !now.Before(c.readBy) {
				return 0, c.in.end(err)
			}
		}
		if err := c.arm(); err != nil {
			return 0, err
		}
	}
}

// gather waits a moment for what follows n bytes of a request that comes in crumbs, but not beyond
// the read deadline.
func (c *conn) gather(p []byte, n int) (int, error) {
	until := time.Now().Add(gatherTime)
	if !c.readBy.IsZero() && c.readBy.Before(until) {
		until = c.readBy
	}
	err := c.Conn.SetReadDeadline(until)
	for err == nil && n < min(len(p), crumb) {
		var m int
		m, err = c.Conn.Read(p[n:])
		n += m
	}
	if failed := c.arm(); err == nil {
		err = failed
	}
	return n, err
}

// Memo is where access remembers something of a request's connection; nil if that
// is not one of a front's.
func Memo(ctx *fasthttp.RequestCtx) *access.Memo {
	if c, ok := ctx.Conn().(*conn); ok {
		return &c.memo
	}
	return nil
}

// lingerOnClose has Close take in what the client still sends, because closing a
// socket with unread bytes resets it, and a client that still sends a body would
// not see why it is refused.
func lingerOnClose(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger.Store(true)
	}
}

// Close ends the connection; a second call does nothing more.
func (c *conn) Close() error {
	if f := c.abandoned.Swap(nil); f != nil {
		(*f)()
	}
	if c.answer > 0 {
		c.answered()
	}
	if c.linger.Swap(false) {
		c.lingering.Store(true)
		readOut(c.Conn)
	}
	nc := c.Conn
	if c.reserve != nil {
		nc = bare.Conn(nc) // TLS's own end may wait for 5 s, and others for the place
	}
	err := nc.Close()
	if c.open.remove(c) && c.reserve != nil {
		c.reserve.leave(c.place)
	}
	return err
}

// connections are the open ones of a server.
type connections struct {
	leaving atomic.Uint32 // how far the front has come with ending them
	wire    int           // bytes of a request, beyond which its body is hidden; 0: no limit
	step    time.Duration // how much later a request may come that comes steadily
	emptied func()        // called when a wave of connections is over; nil: nobody cares
	left    func(int)     // called when a large answer is over, with its bytes; nil: the same

	mu   sync.Mutex
	all  map[*conn]struct{}
	most int // open ones since the last wave
}

// A wave is so many connections at least, of which more than half have ended. Each had
// the HTTP server's buffers.
const wave = 256

// add wraps and remembers a connection.
func (cs *connections) add(nc net.Conn, slack time.Duration) *conn {
	c := &conn{Conn: nc, open: cs, slack: slack, in: incoming{between: true, most: cs.wire}}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.all == nil {
		cs.all = map[*conn]struct{}{}
	}
	cs.all[c] = struct{}{}
	cs.most = max(cs.most, len(cs.all))
	return c
}

// remove reports whether the connection was still there.
func (cs *connections) remove(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	_, ok := cs.all[c]
	delete(cs.all, c)
	if left := len(cs.all); cs.most >= wave && left < cs.most/2 && cs.emptied != nil {
		cs.most = left
		cs.emptied()
	}
	return ok
}

func (cs *connections) len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// cut closes them all under their owners, who then remove them, and waits a
// little for that. It closes what is under TLS: TLS itself would wait for a write that its
// peer does not take.
func (cs *connections) cut() {
	cs.mu.Lock() // whoever takes a connection over removes it first
	for c := range cs.all {
		_ = bare.Conn(c.Conn).Close()
	}
	cs.mu.Unlock()
	for deadline := time.Now().Add(time.Second); cs.len() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}
