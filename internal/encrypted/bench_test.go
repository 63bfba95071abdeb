//go:build linux

package encrypted

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// rounds is how often each of the two is measured, in turn.
const rounds = 5

// A server is the program, and how it is reached.
type server struct {
	*program.Program
	dial func() (net.Conn, error)
}

// each runs a measurement against a plain server and one over TLS, in turn.
func each(b *testing.B, measure func(b *testing.B, s server)) {
	cert, key := testkit.Certificate(b, b.TempDir(), time.Now().Add(time.Hour))
	plain := program.Start(b, "-admin-addr", "127.0.0.1:0")
	secret := program.Start(b, "-admin-addr", "127.0.0.1:0", "-tls-cert", cert, "-tls-key", key)
	config := &tls.Config{InsecureSkipVerify: true} // it costs what it costs with a root, once per connection
	servers := map[string]server{
		"plain": {plain, func() (net.Conn, error) { return net.Dial("tcp", plain.Addrs[0]) }},
		"tls":   {secret, func() (net.Conn, error) { return tls.Dial("tcp", secret.Addrs[0], config) }},
	}
	for round := range rounds {
		for _, over := range []string{"plain", "tls"} {
			b.Run(fmt.Sprintf("over=%s/round=%d", over, round+1), func(b *testing.B) { measure(b, servers[over]) })
		}
	}
}

// post is one event of 0.5 KB.
var post = func() []byte {
	body := `{"event_name":"HEARTBEAT","session_id":"0b5e7c1e-6f8a-4a58-9d3c-2f1f6f5f7a10","timestamp":1764752400000,"version":1,"data":{"pad":"` +
		strings.Repeat("x", 370) + `"}}`
	return fmt.Appendf(nil, "POST /metrics HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

// A player posts events over one connection that is kept alive.
type player struct {
	conn    net.Conn
	answers *bufio.Reader
}

func (s server) player() (*player, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, err
	}
	return &player{conn, bufio.NewReader(conn)}, nil
}

func (p *player) publish() error {
	if _, err := p.conn.Write(post); err != nil {
		return err
	}
	resp, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("answer %d; want 200", resp.StatusCode)
	}
	return err
}

// BenchmarkIngest posts events over 4 connections that are kept alive, as fast as they
// are taken. Run it alone on the machine:
//
//	go test -run '^$' -bench . -benchtime 3s ./internal/encrypted
func BenchmarkIngest(b *testing.B) {
	each(b, func(b *testing.B, s server) {
		before := s.cpu(b)
		b.SetParallelism(2)
		b.RunParallel(func(pb *testing.PB) {
			p, err := s.player()
			if err != nil {
				b.Error(err)
				return
			}
			defer p.conn.Close()
			for pb.Next() {
				if err := p.publish(); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric((s.cpu(b)-before)*1e6/float64(b.N), "cpu-µs/event")
	})
}

// BenchmarkStreams publishes one event after the other to 50 consumers of Server-Sent
// Events, who read as fast as they can.
func BenchmarkStreams(b *testing.B) {
	const consumers = 50
	each(b, func(b *testing.B, s server) {
		for range consumers {
			c, err := s.dial()
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "GET /events HTTP/1.1\r\nHost: b\r\n\r\n")
			go io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, 64<<10))
		}
		testkit.Eventually(b, "the consumers of before are gone, and these there", func() bool {
			return s.Metric(`dispatcher_consumers{wire="sse"}`) == consumers && s.Metric("dispatcher_consumers_lagging") == 0
		})
		p, err := s.player()
		if err != nil {
			b.Fatal(err)
		}
		defer p.conn.Close()
		goal := s.told() + float64(b.N)*consumers
		before, start := s.cpu(b), time.Now()
		for b.Loop() {
			if err := p.publish(); err != nil {
				b.Fatal(err)
			}
		}
		testkit.Eventually(b, "all is delivered or skipped", func() bool { return s.told() >= goal })
		elapsed := time.Since(start)
		deliveries := float64(b.N) * consumers
		b.ReportMetric((s.cpu(b)-before)*1e6/deliveries, "cpu-µs/delivery")
		b.ReportMetric(deliveries/elapsed.Seconds(), "deliveries/s")
	})
}

// told is how many events consumers got or were told they missed.
func (s server) told() float64 {
	return s.Metric(`dispatcher_events_delivered_total{wire="sse"}`) + s.Metric("dispatcher_events_skipped_total")
}

// cpu is the time of processors that the server has used, in seconds.
func (s server) cpu(b *testing.B) float64 {
	b.Helper()
	// Between the last bracket and the times are 11 fields (proc(5)).
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		b.Fatalf("/proc has %q", stat)
	}
	const ticks = 100 // per second, on all Linux that Go runs on
	return (user + system) / ticks
}
