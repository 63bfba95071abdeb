//go:build unix

package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A consumer reads one stream of numbered events, at a pace that a test chooses.
type consumer struct {
	conn net.Conn
	pace *pace
	done chan struct{}

	received, skipped, wrong, broken atomic.Int64
	retry                            atomic.Int64  // milliseconds
	last                             map[int]int64 // by player
	place                            int64         // of the last id
	ended                            time.Time     // for the test once done
}

// A pace is how fast a crowd reads: at will, so many bytes a second, or not at all.
type pace struct {
	mu      sync.Mutex
	stopped bool
	goes    *sync.Cond
	rate    int // bytes a second; 0: at will
}

func newPace(rate int) *pace {
	p := &pace{rate: rate}
	p.goes = sync.NewCond(&p.mu)
	return p
}

// set stops the crowd, or lets it go on.
func (p *pace) set(stopped bool) {
	p.mu.Lock()
	p.stopped = stopped
	p.mu.Unlock()
	p.goes.Broadcast()
}

// A paced reader has its connection's bytes at a pace.
type paced struct {
	net.Conn
	pace *pace
}

func (r paced) Read(b []byte) (int, error) {
	r.pace.mu.Lock()
	for r.pace.stopped {
		r.pace.goes.Wait()
	}
	rate := r.pace.rate
	r.pace.mu.Unlock()
	if rate > 0 {
		const beats = 5 // reads a second
		time.Sleep(time.Second / beats)
		b = b[:min(len(b), rate/beats)]
	}
	return r.Conn.Read(b)
}

// dialer connects to the program; tests have others that come from elsewhere.
type dialer func(addr string) (net.Conn, error)

func direct(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }

// crowd opens n streams with the query, and waits until they are open.
func crowd(t testing.TB, addr string, n int, query string, p *pace, dial dialer) []*consumer {
	t.Helper()
	all := make([]*consumer, n)
	for i := range all {
		c := &consumer{pace: p, done: make(chan struct{}), last: map[int]int64{}, place: -1}
		conn, err := dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		c.conn = conn
		t.Cleanup(func() { conn.Close(); p.set(false); <-c.done })
		fmt.Fprintf(conn, "GET /events%s HTTP/1.1\r\nHost: a\r\n\r\n", query)
		br := bufio.NewReaderSize(conn, 512)
		for line := "-"; line != "\r\n"; {
			if line, err = br.ReadString('\n'); err != nil {
				close(c.done)
				t.Fatalf("stream %d of %d: %v", i, n, err)
			}
		}
		go c.read(io.MultiReader(io.LimitReader(br, int64(br.Buffered())), paced{conn, p}))
		all[i] = c
	}
	return all
}

// read follows the stream to its end.
func (c *consumer) read(from io.Reader) {
	defer func() { c.ended = time.Now(); close(c.done) }()
	br := bufio.NewReaderSize(httputil.NewChunkedReader(bufio.NewReaderSize(from, 4<<10)), 4<<10)
	var long []byte
	for {
		part, err := br.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			long = append(long, part...)
			continue
		}
		line := part
		if len(long) > 0 {
			long = append(long, part...)
			line = long
		}
		if err != nil {
			return
		}
		c.line(line)
		long = long[:0]
	}
}

func (c *consumer) line(line []byte) {
	if event, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
		player, n, whole := parseNumbered(event)
		if !whole {
			c.broken.Add(1)
			return
		}
		if n <= c.last[player] {
			c.wrong.Add(1)
		}
		c.last[player] = n
		c.received.Add(1)
	} else if n, ok := bytes.CutPrefix(line, []byte(": skipped ")); ok {
		v, err := strconv.ParseInt(string(bytes.TrimSpace(n)), 10, 64)
		if err != nil {
			c.broken.Add(1)
		}
		c.skipped.Add(v)
	} else if n, ok := bytes.CutPrefix(line, []byte("retry: ")); ok {
		v, _ := strconv.ParseInt(string(bytes.TrimSpace(n)), 10, 64)
		c.retry.Store(v)
	} else if id, ok := bytes.CutPrefix(line, []byte("id: ")); ok {
		_, place, _ := bytes.Cut(bytes.TrimSpace(id), []byte("."))
		v, err := strconv.ParseInt(string(place), 10, 64)
		if err != nil || v < c.place { // a keep-alive says it again
			c.wrong.Add(1)
		}
		c.place = v
	} else if len(line) > 1 && line[0] != ':' {
		c.broken.Add(1)
	}
}

// numbered is the nth event of a player, of so many bytes.
func numbered(player int, n int64, size int) []byte {
	b := fmt.Appendf(nil, `{"player":%d,"n":%d,"pad":"`, player, n)
	for len(b) < size-2 {
		b = append(b, 'x')
	}
	return append(b, `"}`...)
}

// parseNumbered reads one, and reports whether it is whole.
func parseNumbered(line []byte) (player int, n int64, whole bool) {
	count, _ := fmt.Sscanf(string(line[:min(len(line), 64)]), `{"player":%d,"n":%d,"pad":"`, &player, &n)
	return player, n, count == 2 && bytes.HasSuffix(line, []byte("\"}\n"))
}

// wantBooks waits until everybody has received, or was told of, what was published,
// and holds them to order and whole frames. It returns what was received and skipped.
func wantBooks(t testing.TB, all []*consumer, published int64) (received, skipped int64) {
	t.Helper()
	for i, c := range all {
		testkit.Eventually(t, "received + skipped is what was published", func() bool {
			return c.received.Load()+c.skipped.Load() >= published
		})
		r, s := c.received.Load(), c.skipped.Load()
		if r+s != published || c.wrong.Load() != 0 || c.broken.Load() != 0 {
			t.Fatalf("consumer %d: received %d + skipped %d of %d published, %d twice or out of order, %d broken",
				i, r, s, published, c.wrong.Load(), c.broken.Load())
		}
		received, skipped = received+r, skipped+s
	}
	return received, skipped
}

// gone is how many of the streams have ended.
func gone(all []*consumer) (n int) {
	for _, c := range all {
		select {
		case <-c.done:
			n++
		default:
		}
	}
	return n
}
