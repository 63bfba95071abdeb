package stream

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// The loop sees what a goroutine has still to write, part by part: so it can tell a
// consumer that is slow from one that takes nothing.
func TestBacklogIsWhatIsStillToBeWritten(t *testing.T) {
	t.Parallel()
	var o Options
	o.Loops = 1
	o.setDefaults()
	s := newPortableSockets(&o, newCounters())
	near, far := net.Pipe() // takes nothing that is not read
	defer s.close()
	defer near.Close()
	c := &consumer{conn: far}
	if err := s.take(c); err != nil {
		t.Fatal(err)
	}
	const parts = 3
	if n, _, ok := s.send(c, make([]byte, parts*partBytes)); n != parts*partBytes || !ok {
		t.Fatalf("send(%d bytes) = %d, %v; want all, true", parts*partBytes, n, ok)
	}
	for left := parts; left >= 0; left-- {
		eventually(t, func() string {
			if got := s.backlog(c); got != left*partBytes {
				return fmt.Sprintf("backlog() = %d with %d of %d parts read; want %d", got, parts-left, parts, left*partBytes)
			}
			return ""
		})
		if left > 0 {
			io.CopyN(io.Discard, near, partBytes)
		}
	}
}
