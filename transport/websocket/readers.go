package websocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Readers read connections, and tell a [Peer] each what comes. Methods may be called by
// any goroutine.
//
// The zero value has no connections, and costs nothing until it has one.
type Readers struct {
	running sync.WaitGroup // goroutines that read

	mu   sync.Mutex
	poll *poll // nil: there is none at the moment; guarded by mu
}

// Wait waits until nothing is read any more: all connections have ended.
func (r *Readers) Wait() { r.running.Wait() }

// A Reader reads one connection.
type Reader struct {
	conn net.Conn
	peer Peer
	over atomic.Bool // invariant 2
	polled

	mu sync.Mutex // held while the peer is told of what came
	in Inbound
}

// Add reads a connection, after what came with its handshake. The peer may be told of
// the end before Add returns.
func (r *Readers) Add(conn net.Conn, early []byte, peer Peer) *Reader {
	k := &Reader{conn: conn, peer: peer}
	switch {
	case len(early) > 0 && !k.feed(early):
	case r.pollFor(k):
	default:
		r.running.Go(k.read)
	}
	return k
}

// Stop ends the reading: nothing more is expected of the peer, or it is gone. The
// connection stays open. It does nothing after the end.
func (k *Reader) Stop(why Reason) {
	if k.over.CompareAndSwap(false, true) {
		k.forget()
		k.conn.SetReadDeadline(time.Unix(1, 0)) // who reads it ends, too
		k.peer.End(why, nil)
	}
}

// feed takes what came. It reports false when reading is over.
func (k *Reader) feed(data []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.over.Load() && k.in.Feed(data, once{k})
}

// once is the reader's peer, which is told of the end once.
type once struct{ *Reader }

func (o once) Heard()              { o.peer.Heard() }
func (o once) Ping(payload []byte) { o.peer.Ping(payload) }
func (o once) End(why Reason, answer []byte) {
	if o.over.CompareAndSwap(false, true) {
		o.forget()
		o.peer.End(why, answer)
	}
}

// failed ends the reading because of an error.
func (k *Reader) failed(err error) { once{k}.End(ReasonOf(err), nil) }

// read is for connections that nothing can wait for but a goroutine.
func (k *Reader) read() {
	for buffer := make([]byte, 512); ; {
		n, err := k.conn.Read(buffer)
		if n > 0 && !k.feed(buffer[:n]) {
			return
		}
		if err != nil {
			k.failed(err)
			return
		}
	}
}
