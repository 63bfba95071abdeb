package transport

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A feed is a connection on which the same request comes again and again, each when the
// one before was answered, without a system call.
type feed struct {
	request []byte
	rest    []byte // of the one that is being read
	left    int
	answers int
	done    chan struct{}
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.left == 0 {
			return 0, io.EOF
		}
		f.left--
		f.rest = f.request
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *feed) Write(p []byte) (int, error) { f.answers++; return len(p), nil }

func (f *feed) Close() error {
	if f.done != nil {
		close(f.done)
		f.done = nil
	}
	return nil
}

func (f *feed) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (f *feed) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// A handover is a listener of connections that are made.
type handover chan net.Conn

func (h handover) Accept() (net.Conn, error) {
	if c, ok := <-h; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (h handover) Close() error   { close(h); return nil }
func (h handover) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// What a POST of an event of 0.5 KB, or of 500 of them, costs from the first byte read to
// the last one written, system calls not counted.
func BenchmarkPost(b *testing.B) {
	event := fmt.Sprintf(`{"session_id":"0123456789abcdef","event_name":"HEARTBEAT","timestamp":1,"data":{"pad":"%s"}}`, strings.Repeat("x", 410))
	for _, bench := range []struct {
		name    string
		events  int
		headers []string
	}{
		{"plain", 1, []string{"Content-Type: application/json"}},
		{"batch", 500, []string{"Content-Type: application/x-ndjson"}},
		{"browser", 1, []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
			"Accept: */*", "Accept-Language: fr-CH,fr;q=0.9", "Accept-Encoding: gzip, deflate, br", "Content-Type: text/plain;charset=UTF-8",
			"Origin: https://player.example", "Referer: https://player.example/", "X-Forwarded-For: 198.51.100.7"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := start(b)
			conns := make(handover)
			s.serveOn(conns, s.Serve)
			f := &feed{request: []byte(request("POST", "/metrics", strings.Repeat(event+"\n", bench.events), bench.headers...)), left: b.N, done: make(chan struct{})}
			done := f.done
			b.SetBytes(int64(bench.events * len(event)))
			b.ReportAllocs()
			b.ResetTimer()
			conns <- f
			<-done
			b.StopTimer()
			if f.answers != b.N {
				b.Fatalf("%d answers to %d requests", f.answers, b.N)
			}
		})
	}
}
