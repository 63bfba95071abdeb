//go:build unix

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A crowd is players whose events look like those of real ones.
type crowd struct {
	r        *rand.Rand
	sessions []string
	sent     int
}

func newCrowd(sessions int) *crowd {
	c := &crowd{r: rand.New(rand.NewPCG(1, 2))}
	for i := range sessions {
		c.sessions = append(c.sessions, fmt.Sprintf("%08x-5a3c-4e0f-9d57-%012x", c.r.Uint32(), i))
	}
	return c
}

func (c *crowd) event() string {
	c.sent++
	name, position := "HEARTBEAT", c.r.IntN(5400)
	switch n := c.r.IntN(100); {
	case n < 9:
		name, position = "START", 0
	case n < 17:
		name = "STOP"
	case n < 21:
		name = "ERROR"
	}
	platform := []string{"Web", "Android", "Apple"}[c.r.IntN(3)]
	return fmt.Sprintf(`{"event_name":%q,"session_id":%q,"timestamp":%d,"version":1,"data":{"player":{"name":"pillarbox","platform":%q,"version":"1.9.0"},"position":%d,"bitrate":%d,"bandwidth":%d,"stall":{"count":%d,"duration":%d},"media":{"asset_url":"https://media.example/live/%d/master.m3u8","id":"urn:media:%d"}}}`,
		name, c.sessions[c.r.IntN(len(c.sessions))], time.Now().UnixMilli(), platform, position*1000, 1_200_000+c.r.IntN(6_000_000), 9_000_000+c.r.IntN(9_000_000), c.r.IntN(3), c.r.IntN(4000), c.r.IntN(900), c.r.IntN(900))
}

// play has the crowd send so many events a second, until stop is called. What a busy
// machine holds up, up to a second of it, is sent as soon as it can be.
func play(t testing.TB, addr string, c *crowd, perSecond int) (stop func()) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ends, ended := make(chan struct{}), make(chan struct{})
	go io.Copy(io.Discard, conn)
	go func() {
		defer close(ended)
		defer conn.Close()
		w := bufio.NewWriterSize(conn, 1<<20)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		last, due := time.Now(), 0.0
		for {
			select {
			case <-ends:
				return
			case <-tick.C:
			}
			now := time.Now()
			due = min(due+now.Sub(last).Seconds()*float64(perSecond), float64(perSecond))
			last = now
			for ; due >= 1; due-- {
				body := c.event()
				fmt.Fprintf(w, "POST /api/events HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
			if w.Flush() != nil {
				return
			}
		}
	}()
	stop = func() {
		select {
		case <-ends:
		default:
			close(ends)
		}
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// send posts one event, which must be accepted.
func send(t testing.TB, addr, event string) {
	t.Helper()
	resp, err := http.Post("http://"+addr+"/api/events", "application/json", strings.NewReader(event))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST %.60s = %v, %v; want 200", event, resp, err)
	}
	resp.Body.Close()
}
