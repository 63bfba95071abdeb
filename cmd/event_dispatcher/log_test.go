//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// startedInto starts the program with stderr in a pipe, and returns the end at which
// its log is read, once it listens.
func startedInto(t *testing.T, args ...string) (p *onPipe) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program.Command(t, nil, append([]string{"-port", "127.0.0.1:0", "-log-level", "debug", "-drain-window", "0"}, args...)...)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p = &onPipe{log: r, fill: w, ended: make(chan int, 1)}
	p.signal = cmd.Process.Signal
	t.Cleanup(func() {
		r.Close()
		w.Close()
		cmd.Process.Kill()
	})
	go func() {
		cmd.Wait()
		p.ended <- cmd.ProcessState.ExitCode()
	}()
	r.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewReaderSize(r, 16) // what is not read here stays in the pipe
	address := regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)
	for p.addr == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("reading the log: %v", err)
		}
		if m := address.FindStringSubmatch(line); m != nil {
			p.addr = m[1]
		}
	}
	return p
}

type onPipe struct {
	log    *os.File // where it is read
	fill   *os.File // another writer of it
	addr   string
	signal func(os.Signal) error
	ended  chan int // gets the exit code
}

// fillUp writes to the log until it takes nothing more.
func (p *onPipe) fillUp() {
	var written atomic.Int64
	go func() { // ends when the test closes the pipe
		for {
			n, err := p.fill.Write([]byte{'\n'})
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}()
	for before := int64(-1); before != written.Load(); time.Sleep(500 * time.Millisecond) {
		before = written.Load()
	}
}

// provoke has the program log lines.
func (p *onPipe) provoke(t *testing.T, lines int) {
	t.Helper()
	for range lines {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, "GET /ws/practice/user HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\x00\x00\x00\x00\xff\xfe")
		io.ReadAll(conn) // a text that is not UTF-8: the socket is cut, and the log says so
		conn.Close()
	}
}

func (p *onPipe) dropped(t *testing.T) (n float64) {
	t.Helper()
	_, text := get(t, "http://"+p.addr+"/metrics")
	for line := range strings.Lines(text) {
		if _, err := fmt.Sscanf(line, "dispatcher_log_lines_dropped_total %g", &n); err == nil {
			return n
		}
	}
	t.Fatalf("/metrics has no dispatcher_log_lines_dropped_total")
	return 0
}

// holds publishes and reads the event on the stream.
func (p *onPipe) holds(t *testing.T, stream io.Reader, body string) {
	t.Helper()
	if got := post(t, "http://"+p.addr+"/metrics", body); got != 200 {
		t.Errorf("POST = %d; want 200", got)
	}
	want := "data: " + body + "\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != want {
		t.Errorf("the stream = %q, %v; want %q", got, err, want)
	}
}

// ends drains, and holds the program to end with 0.
func (p *onPipe) ends(t *testing.T, stream io.Reader) {
	t.Helper()
	p.signal(syscall.SIGTERM)
	if text, err := io.ReadAll(stream); err != nil || !farewell.Match(text) {
		t.Errorf("the stream ends with %q, %v; want retry and a clean end", text, err)
	}
	select {
	case code := <-p.ended:
		if code != 0 {
			t.Errorf("the program ends with %d; want 0", code)
		}
	case <-time.After(patience):
		t.Errorf("the program has not ended after %v", patience)
	}
}

func TestLogReaderThatIsGoneCostsLinesOnly(t *testing.T) {
	t.Parallel()
	p := startedInto(t, "-keep-alive", "0")
	_, stream := openStream(t, p.addr)
	p.log.Close()
	p.provoke(t, 3)
	p.holds(t, stream, `{"n":1}`)
	testkit.Eventually(t, "lines are counted as dropped", func() bool { return p.dropped(t) >= 3 })
	p.ends(t, stream)
}

func TestLogReaderThatStallsCostsLinesOnly(t *testing.T) {
	t.Parallel()
	p := startedInto(t, "-keep-alive", "0")
	_, stream := openStream(t, p.addr)
	p.fillUp()
	p.provoke(t, 3)
	p.holds(t, stream, `{"n":1}`)
	p.ends(t, stream)
}

// A hangup asks daemons to read their files again; it is no reason to end.
func TestHangupDoesNotEndTheProgram(t *testing.T) {
	t.Parallel()
	p := startedInto(t, "-keep-alive", "0")
	go io.Copy(io.Discard, p.log)
	_, stream := openStream(t, p.addr)
	p.signal(syscall.SIGHUP)
	p.holds(t, stream, `{"n":1}`)
	p.ends(t, stream)
}
