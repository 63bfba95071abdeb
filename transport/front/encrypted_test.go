package front

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestTLSReadsNoMoreThanAHandshakeMayHave(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	c := encrypt(far, &tls.Config{}, nil, &tidier{})
	defer c.Close()
	sent := make(chan int64)
	go func() {
		// A record with the beginning of a ClientHello of 65,500 bytes, and another one.
		n, _ := near.Write(append([]byte{22, 3, 3, 0x40, 0, 1, 0, 0xff, 0xdc}, make([]byte, 16<<10-4)...))
		m, _ := near.Write(append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 16<<10)...))
		sent <- int64(n + m)
	}()
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, errTooLong) {
		t.Errorf("Read() = %v; want %v", err, errTooLong)
	}
	c.Close()
	if n := <-sent; n != maxHandshake {
		t.Errorf("%d bytes of an unfinished handshake were read; want %d", n, maxHandshake)
	}
}

func TestMemoryIsGivenBackAfterManyHandshakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		given := 0
		ended := &tidier{}
		ended.memory.Before = func() { given++ }
		defer ended.memory.Stop()
		for range 600 {
			near, far := net.Pipe()
			c := encrypt(far, &tls.Config{}, nil, ended)
			near.Close()
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Fatal("Read() = nil of a peer that is gone")
			}
			c.Close()
			c.Close()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if given != 1 {
			t.Errorf("memory was given back %d times after 600 connections; want once", given)
		}
	})
}
