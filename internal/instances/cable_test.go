//go:build unix

package instances

import (
	"net"
	"sync"
	"testing"
)

// A cable is a TCP proxy that can be cut: nothing passes, and nothing is closed.
type cable struct {
	addr string
	mu   sync.Mutex
	open sync.Cond
	dead bool
	ends []net.Conn
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: ln.Addr().String()}
	c.open.L = &c.mu
	t.Cleanup(func() { ln.Close(); c.mend() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.ends = append(c.ends, in, out)
			c.mu.Unlock()
			go c.copy(in, out)
			go c.copy(out, in)
		}
	}()
	return c
}

func (c *cable) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	p := make([]byte, 64<<10)
	for {
		n, err := src.Read(p)
		c.mu.Lock()
		for c.dead {
			c.open.Wait()
		}
		c.mu.Unlock()
		if _, e := dst.Write(p[:n]); err != nil || e != nil {
			return
		}
	}
}

func (c *cable) cut()  { c.set(true) }
func (c *cable) mend() { c.set(false) }

func (c *cable) set(dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = dead
	c.open.Broadcast()
}

// reset closes the connections that there are.
func (c *cable) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.ends {
		conn.Close()
	}
	c.ends = nil
}
