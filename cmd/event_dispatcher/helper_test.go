package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	os.Setenv("GOMAXPROCS", fmt.Sprint(8)) // several programs in one process must not each set it
	goleak.VerifyTestMain(m, append(ignored, goleak.Cleanup(func(code int) {
		os.RemoveAll(built)
		os.Exit(code)
	}))...)
}

var built string // directory of the program, once a test has built it

// fasthttp renders the Date header in a goroutine that never ends, and looks after
// idle workers in one that ends with its next look.
var ignored = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
}

// output collects what a program writes, and can be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// addresses are those that the program's log says it listens on.
func (o *output) addresses(message string) (addrs []string) {
	for line := range strings.Lines(o.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
			addrs = append(addrs, entry.Address)
		}
	}
	return addrs
}

// program is a run of it within the test.
type program struct {
	t      *testing.T
	stderr output
	addrs  []string
	admin  string // of the operators' listener, if args have one
	stop   context.CancelFunc
	ended  chan error
}

// boot runs the program with args on as many free ports, and stops it in the end.
func boot(t *testing.T, ports int, args ...string) *program {
	t.Helper()
	p := &program{t: t, ended: make(chan error, 1)}
	args = append([]string{"-port", strings.Repeat("127.0.0.1:0,", ports), "-drain-window", "0"}, args...)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.ended <- run(ctx, args, &p.stderr) }()
	t.Cleanup(func() { stop() })
	eventually(t, "the program listens", func() bool {
		select {
		case err := <-p.ended:
			t.Fatalf("run(%q) = %v before it listens; stderr:\n%s", args, err, &p.stderr)
		default:
		}
		p.addrs = p.stderr.addresses("listening")
		for _, a := range p.stderr.addresses("listening for operators") {
			p.admin = a
		}
		return len(p.addrs) == ports && (p.admin != "" || !slices.Contains(args, "-admin-addr"))
	})
	return p
}

// end waits for the end of run.
func (p *program) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.t.Fatalf("run has not returned after %v; stderr:\n%s", patience, &p.stderr)
		return nil
	}
}

func (p *program) url(path string) string { return "http://" + p.addrs[0] + path }

// client keeps no connections, so none outlives its test.
var client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	resp, err := client.Post(url, "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// openStream opens one and reads past its opening comment.
func openStream(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
	br := bufio.NewReader(conn)
	for line := ""; line != ": connected\n"; {
		if line, err = br.ReadString('\n'); err != nil {
			t.Fatalf("opening a stream: %v", err)
		}
	}
	br.ReadString('\n')
	return conn, br
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}
