//go:build unix

package instances

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
)

// BenchmarkRelayLatency publishes 5,000 events/s at one instance, on a schedule
// whatever the answers do, and reports from the intended time of sending to the
// arrival at a consumer, of the same instance (near) and of another one (far). Run
// it alone on the machine:
//
//	go test -run '^$' -bench RelayLatency -benchtime 20000x ./internal/instances
func BenchmarkRelayLatency(b *testing.B) {
	server := redistest.Start(b)
	all := startAll(b, 2, server.URL())
	const rate = 5000
	near, far := all[0].times(b), all[1].times(b)
	conn, err := net.Dial("tcp", all[0].Addrs[0])
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	go io.Copy(io.Discard, conn) // answers
	pad := strings.Repeat("x", 470)
	begin := time.Now().Add(100 * time.Millisecond)
	for n := range b.N {
		due := begin.Add(time.Duration(n) * time.Second / rate)
		time.Sleep(time.Until(due))
		body := fmt.Sprintf(`{"at":%d,"pad":"%s"}`, due.UnixNano(), pad)
		fmt.Fprintf(conn, "POST /metrics HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for what, arrived := range map[string]<-chan time.Duration{"near": near, "far": far} {
		list := make([]time.Duration, 0, b.N)
		for range b.N {
			select {
			case d := <-arrived:
				list = append(list, d)
			case <-time.After(patience):
				b.Fatalf("%s: %d of %d arrived", what, len(list), b.N)
			}
		}
		slices.Sort(list)
		for _, q := range []struct {
			name string
			of   int
		}{{"p50", 500}, {"p99", 990}} {
			b.ReportMetric(float64(list[len(list)*q.of/1000].Microseconds())/1000, what+"-"+q.name+"-ms")
		}
	}
	b.ReportMetric(0, "ns/op") // the schedule's
}

// times opens a stream and returns how long each event was on its way.
func (i *instance) times(b *testing.B) <-chan time.Duration {
	b.Helper()
	resp, err := http.Get(i.URL("/events"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { resp.Body.Close() })
	i.hear()
	c := make(chan time.Duration, b.N)
	go func() {
		br := bufio.NewReaderSize(resp.Body, 64<<10)
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				return
			}
			now, at := time.Now().UnixNano(), int64(0)
			if _, err := fmt.Sscanf(string(line[:min(len(line), 40)]), `data: {"at":%d`, &at); err == nil {
				c <- time.Duration(now - at)
			}
		}
	}()
	return c
}
