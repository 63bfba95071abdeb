//go:build linux

package proxies

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A page is a consumer that comes back. What it was sent it remembers by player.
type page struct {
	url    string
	resume bool // ask for ids, and say the last one

	mu      sync.Mutex
	seen    map[int]map[int64]int // how often, by player and number
	newest0 int64                 // of player 0
	without []time.Duration       // between two streams
	dead    string                // why it comes back no more
	streams int
}

// events are WHATWG HTML's, section 9.2: a status other than 200, and an answer that is
// no event stream, end an EventSource for good; all else has it come back.
func (p *page) events(ctx context.Context) {
	wait, id := 3*time.Second, ""
	var left time.Time
	for ctx.Err() == nil {
		url := p.url
		if p.resume {
			url += "?ids=1"
		}
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		req.Header.Set("Accept", "text/event-stream")
		if id != "" {
			req.Header.Set("Last-Event-ID", id)
		}
		resp, err := fresh.Do(req)
		if err == nil {
			if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !bytes.HasPrefix([]byte(kind), []byte("text/event-stream")) {
				resp.Body.Close()
				p.dies(fmt.Sprintf("answer %d, %q", resp.StatusCode, kind))
				return
			}
			br, open := bufio.NewReaderSize(resp.Body, 64<<10), false
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					break
				}
				if !open && line[0] == ':' { // not the proxy's answer, which has none
					open = true
					p.opened(left)
				}
				if v, ok := bytes.CutPrefix(line, []byte("retry: ")); ok {
					ms, _ := strconv.Atoi(string(bytes.TrimSpace(v)))
					wait = time.Duration(ms) * time.Millisecond
				} else if v, ok := bytes.CutPrefix(line, []byte("id: ")); ok {
					id = string(bytes.TrimSpace(v))
				} else if v, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
					p.event(v)
				}
			}
			resp.Body.Close()
			if open {
				left = time.Now()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// silent is the known consumer of the original, which runs on the JVM: it comes back when
// it has read nothing for a time; an end, a reset or an answer that is no stream leave it
// waiting for ever.
func (p *page) silent(ctx context.Context, patience time.Duration) {
	var left time.Time
	for ctx.Err() == nil {
		stream, cancel := context.WithCancel(ctx)
		req, _ := http.NewRequestWithContext(stream, "GET", p.url, nil)
		req.Header.Set("Accept", "text/event-stream")
		gaveUp := atomic.Bool{}
		timer := time.AfterFunc(patience, func() { gaveUp.Store(true); cancel() })
		resp, err := fresh.Do(req)
		if err == nil && resp.StatusCode != 200 {
			p.dies(fmt.Sprint("answer ", resp.StatusCode))
		} else if err == nil {
			p.opened(left)
			br := bufio.NewReaderSize(resp.Body, 64<<10)
			for {
				var line []byte
				if line, err = br.ReadSlice('\n'); err != nil {
					break
				}
				timer.Reset(patience)
				if v, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
					p.event(v)
				}
			}
			left = time.Now()
		}
		if resp != nil {
			resp.Body.Close()
		}
		cancel()
		timer.Stop()
		if !gaveUp.Load() && ctx.Err() == nil {
			p.dies(fmt.Sprint("its stream ended: ", err))
		}
		if p.why() != "" {
			return
		}
	}
}

// fresh makes a connection for every stream, as a page does that comes back.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (p *page) dies(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = why
}

func (p *page) why() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *page) opened(left time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams++
	if !left.IsZero() {
		p.without = append(p.without, time.Since(left))
	}
}

func (p *page) event(text []byte) {
	var player int
	var n int64
	if c, _ := fmt.Sscanf(string(text[:min(len(text), 48)]), `{"player":%d,"n":%d`, &player, &n); c != 2 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[player] == nil {
		p.seen[player] = map[int64]int{}
	}
	p.seen[player][n]++
	if player == 0 {
		p.newest0 = max(p.newest0, n)
	}
}

func (p *page) newestOf0() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest0
}

// has reports whether a player's event has come.
func (p *page) has(player int, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[player][n] > 0
}

// books is how many events are missing between the first and the last of each player,
// how many came twice, and the longest time without a stream.
func (p *page) books() (missing, doubled int64, without time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, numbers := range p.seen {
		first, last := int64(1<<62), int64(0)
		for n, times := range numbers {
			first, last = min(first, n), max(last, n)
			doubled += int64(times - 1)
		}
		missing += last - first + 1 - int64(len(numbers))
	}
	for _, d := range p.without {
		without = max(without, d)
	}
	return missing, doubled, without
}

// A crowd of pages and keep-alive players behind one address.
type crowd struct {
	t       testing.TB
	cancel  context.CancelFunc
	going   sync.WaitGroup
	pages   []*page
	sent    []atomic.Int64 // by player, what was answered 200
	refused atomic.Int64
	silent  atomic.Int64 // requests without an answer
	quit    chan struct{}
	playing sync.WaitGroup
}

func newCrowd(t testing.TB) (*crowd, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, cancel: cancel, quit: make(chan struct{})}
	t.Cleanup(func() { cancel(); c.going.Wait() })
	return c, ctx
}

// add has a page live until the end.
func (c *crowd) add(url string, live func(p *page)) *page {
	p := &page{url: url, seen: map[int]map[int64]int{}}
	c.pages = append(c.pages, p)
	c.going.Go(func() { live(p) })
	return p
}

// play starts players, each on one connection, with so many events a second in all.
func (c *crowd) play(addr string, players, rate int) {
	c.sent = make([]atomic.Int64, players)
	for k := range players {
		c.playing.Go(func() { c.player(addr, k, time.Duration(players)*time.Second/time.Duration(rate)) })
	}
	c.t.Cleanup(c.stop)
}

func (c *crowd) player(addr string, id int, interval time.Duration) {
	var conn net.Conn
	var br *bufio.Reader
	for next := time.Now(); ; next = next.Add(interval) {
		select {
		case <-c.quit:
			return
		default:
		}
		if wait := time.Until(next); wait < -time.Second {
			next = time.Now() // the machine is slow
		} else {
			time.Sleep(wait)
		}
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				c.silent.Add(1)
				continue
			}
			defer conn.Close()
			br = bufio.NewReader(conn)
		}
		body := fmt.Sprintf(`{"player":%d,"n":%d,"pad":"%0400d"}`, id, c.sent[id].Load()+1, 0)
		fmt.Fprintf(conn, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		resp, err := http.ReadResponse(br, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		switch {
		case err != nil:
			c.silent.Add(1)
		case resp.StatusCode != 200:
			c.refused.Add(1)
		default:
			c.sent[id].Add(1)
		}
		if err != nil || resp.Close {
			conn.Close()
			conn = nil
		}
	}
}

// stop ends the players, and waits for their answers. It may be called again.
func (c *crowd) stop() {
	select {
	case <-c.quit:
	default:
		close(c.quit)
	}
	c.playing.Wait()
}

// published is what was answered 200.
func (c *crowd) published() (n int64) {
	for i := range c.sent {
		n += c.sent[i].Load()
	}
	return n
}
