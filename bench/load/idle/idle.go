// Package idle opens WebSockets by the thousand and holds them. They read what
// comes, answer pings and say nothing, as users' screens do.
//
// The library is another one than the product's: each side checks the other.
package idle

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/sock"

	"github.com/coder/websocket"
)

// Options says what to open.
type Options struct {
	Target  sock.Addr
	Path    string // {n} stands for the number of the socket, from 1
	Sockets int
}

// Sockets is a set of open WebSockets.
type Sockets struct {
	cancel context.CancelFunc
	closed atomic.Bool
	wg     sync.WaitGroup

	messages, pings, ended atomic.Int64
	reason                 atomic.Pointer[string] // why the first of them ended
}

// Open opens all sockets and returns when each has the answer to its handshake,
// or one was refused. patience is for one handshake. ctx ends the opening, not
// what is open.
func Open(ctx context.Context, opt Options, patience time.Duration) (*Sockets, error) {
	const window = 64 // handshakes under way
	held, cancel := context.WithCancel(context.Background())
	s := &Sockets{cancel: cancel}
	client := &http.Client{Transport: &http.Transport{ // no proxy
		DialContext: (&net.Dialer{Timeout: patience}).DialContext,
	}}
	var next atomic.Int64
	errs := make(chan error, window)
	for range window {
		go func() {
			for {
				n := int(next.Add(1))
				if n > opt.Sockets {
					errs <- nil
					return
				}
				if err := s.open(ctx, held, client, opt, n, patience); err != nil {
					next.Store(int64(opt.Sockets)) // nobody else begins
					errs <- fmt.Errorf("socket %d of %d: %w", n, opt.Sockets, err)
					return
				}
			}
		}()
	}
	var first error
	for range window {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	if first != nil {
		s.Close()
		return nil, first
	}
	return s, nil
}

func (s *Sockets) open(ctx, held context.Context, client *http.Client, opt Options, n int, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	url := "ws://" + opt.Target.String() + strings.ReplaceAll(opt.Path, "{n}", strconv.Itoa(n))
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: client,
		OnPingReceived: func(context.Context, []byte) bool {
			s.pings.Add(1)
			return true
		},
	})
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	s.wg.Go(func() { s.hold(held, conn) })
	return nil
}

// hold reads until the socket ends.
func (s *Sockets) hold(ctx context.Context, conn *websocket.Conn) {
	defer conn.CloseNow()
	for {
		_, r, err := conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err == nil {
			s.messages.Add(1)
			continue
		}
		if !s.closed.Load() {
			s.ended.Add(1)
			reason := err.Error()
			s.reason.CompareAndSwap(nil, &reason)
		}
		return
	}
}

// Stats is what the sockets saw.
type Stats struct {
	Messages int64  // received
	Pings    int64  // received and answered
	Ended    int64  // by the server
	Reason   string // why the first of these ended
}

// Stats may be called at any time.
func (s *Sockets) Stats() Stats {
	stats := Stats{Messages: s.messages.Load(), Pings: s.pings.Load(), Ended: s.ended.Load()}
	if reason := s.reason.Load(); reason != nil {
		stats.Reason = *reason
	}
	return stats
}

// Close lets go of all sockets.
func (s *Sockets) Close() {
	s.closed.Store(true)
	s.cancel()
	s.wg.Wait()
}
