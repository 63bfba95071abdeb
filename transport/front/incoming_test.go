package front

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"
)

// A drip is a connection on which all has come, and each read gives one byte.
type drip struct {
	net.Conn
	left []byte
}

func (d *drip) SetReadDeadline(time.Time) error { return nil }

func (d *drip) Read(p []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p[:1], d.left)
	d.left = d.left[n:]
	return n, nil
}

// The HTTP server looks through a head as often as it is given some of it: not once for each byte,
// also if TLS gives one at a time.
func TestARequestIsGivenInFewParts(t *testing.T) {
	t.Parallel()
	const size = 12 << 10
	whole := bytes.Repeat([]byte("a"), size)
	c := &conn{Conn: &drip{left: whole}, open: &connections{}, in: incoming{between: true}}
	c.SetReadDeadline(time.Now().Add(time.Second))
	reads, got := 0, []byte(nil)
	for buf := make([]byte, maxHead); len(got) < size; reads++ {
		n, err := c.Read(buf[len(got):])
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, buf[len(got):len(got)+n]...)
	}
	if most := maxCrumbs + size/crumb + 1; reads > most {
		t.Errorf("%d bytes were given in %d parts; want %d at most", size, reads, most)
	}
	if !bytes.Equal(got, whole) {
		t.Error("other bytes came than were sent")
	}
}
