//go:build unix

package instances

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"event-dispatcher/internal/testkit"
)

// A ledger is what one consumer of the players' events got.
type ledger struct {
	t    testing.TB
	done chan struct{} // closed at the end of the stream

	mu       sync.Mutex
	arrived  map[int][]int // the numbers of each player's events
	received int
	skipped  int // events that it was told to have missed
	wrong    int // events that came twice, or after a later one of their player
	err      error
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, done: make(chan struct{}), arrived: make(map[int][]int)}
}

// event notes one event.
func (l *ledger) event(text []byte) {
	player, rest := number(text, `{"player":`)
	n, _ := number(rest, `,"n":`)
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.arrived[player]
	if len(list) > 0 && n <= list[len(list)-1] {
		l.wrong++
	}
	l.arrived[player] = append(list, n)
	l.received++
}

// number reads one that stands behind a prefix; 0 if there is none.
func number(text []byte, prefix string) (n int, rest []byte) {
	text, _ = bytes.CutPrefix(text, []byte(prefix))
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	n, _ = strconv.Atoi(string(text[:end]))
	return n, text[end:]
}

func (l *ledger) skip(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped += n
}

func (l *ledger) end(err error) {
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
	close(l.done)
}

func (l *ledger) books() (received, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received, l.skipped
}

// wantNoGap holds the consumer to have missed nothing, unless one of the instances lost its
// carrier, and to have got nothing twice or out of order.
func (l *ledger) wantNoGap(all ...*instance) {
	l.t.Helper()
	lost := parted(l.t, all...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.skipped != 0 && !lost || l.wrong != 0 {
		l.t.Errorf("%d events skipped, %d twice or out of order; want none", l.skipped, l.wrong)
	}
}

// of is which events of a player arrived, with first < n <= last.
func (l *ledger) of(player, first, last int) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.arrived[player]
	from, _ := slices.BinarySearch(list, first+1)
	to, _ := slices.BinarySearch(list, last+1)
	return slices.Clone(list[from:to])
}

// wantBooks waits until everything published was received or reported as
// skipped, and holds the consumer to that and to its order.
func (l *ledger) wantBooks(published int) {
	l.t.Helper()
	testkit.Eventually(l.t, fmt.Sprintf("received + skipped = %d", published), func() bool {
		r, k := l.books()
		return r+k >= published
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.received+l.skipped != published || l.wrong != 0 {
		l.t.Errorf("received %d + skipped %d of %d published, %d of them twice or out of order", l.received, l.skipped, published, l.wrong)
	}
}

// A stream is a consumer over Server-Sent Events: one goroutine and 4 KiB, so
// that a test can have thousands.
type stream struct {
	*ledger
	conn  net.Conn
	retry bool // the stream ended with a retry; for the test once done
}

// close leaves the stream.
func (s *stream) close() {
	s.conn.Close()
	<-s.done
}

func (i *instance) listen() *stream {
	i.t.Helper()
	conn, err := net.Dial("tcp", i.Addrs[0])
	if err != nil {
		i.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", i.Addrs[0])
	br := bufio.NewReader(conn)
	status, _ := br.ReadString('\n')
	for line := status; line != "\r\n" && err == nil; {
		line, err = br.ReadString('\n')
	}
	br = bufio.NewReader(httputil.NewChunkedReader(br)) // every event is a chunk
	if first, _ := br.ReadString('\n'); !strings.HasPrefix(status, "HTTP/1.1 200") || !strings.HasPrefix(first, ":") {
		i.t.Fatalf("GET /events = %q, %q; want 200 and a comment", status, first)
	}
	s := &stream{ledger: newLedger(i.t), conn: conn}
	go s.read(br)
	i.t.Cleanup(s.close)
	i.hear()
	return s
}

func (s *stream) read(br *bufio.Reader) {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			s.end(err)
			return
		}
		if event, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			s.event(event)
		} else if bytes.HasPrefix(line, []byte(": skipped ")) {
			n, _ := number(line, ": skipped ")
			s.skip(n)
		} else if bytes.HasPrefix(line, []byte("retry:")) {
			s.retry = true
		}
	}
}

// wantCleanEnd waits for the end of the stream.
func (s *stream) wantCleanEnd() {
	s.t.Helper()
	<-s.done
	if !s.retry || s.err != io.EOF {
		s.t.Errorf("a stream ended with retry %v and %v; want true and a clean end", s.retry, s.err)
	}
}

// A feed is a consumer over WebSocket, where what was skipped comes in pings.
type feed struct{ *ledger }

func (i *instance) feed(path string) *feed {
	i.t.Helper()
	f := &feed{newLedger(i.t)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+i.Addrs[0]+path, &websocket.DialOptions{
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			n, _ := number(payload, "skipped ")
			f.skip(n)
			return true
		},
	})
	if err != nil {
		i.t.Fatalf("Dial(%s) = %v; want nil", path, err)
	}
	c.SetReadLimit(1 << 22)
	go func() {
		for {
			_, text, err := c.Read(context.Background())
			if err != nil {
				f.end(err)
				return
			}
			f.event(text)
		}
	}()
	i.t.Cleanup(func() {
		c.CloseNow()
		<-f.done
	})
	i.hear()
	return f
}

// wantClose waits for the end of the stream.
func (f *feed) wantClose(code websocket.StatusCode) {
	f.t.Helper()
	<-f.done
	if got := websocket.CloseStatus(f.err); got != code {
		f.t.Errorf("a WebSocket stream ended with %v; want close %d", f.err, code)
	}
}
