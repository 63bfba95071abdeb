package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

const patience = testkit.Patience

func TestMain(m *testing.M) {
	os.Setenv("GOMAXPROCS", fmt.Sprint(8)) // several programs in one process must not each set it
	goleak.VerifyTestMain(m, append(ignored, goleak.Cleanup(func(code int) {
		program.Clean()
		os.Exit(code)
	}))...)
}

// fasthttp renders the Date header in a goroutine that never ends, and looks after
// idle workers in one that ends with its next look.
var ignored = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
}

// inside is a run of the program within the test.
type inside struct {
	t      *testing.T
	stderr testkit.Output
	addrs  []string
	admin  string // of the operators' listener, if args have one
	stop   context.CancelFunc
	ended  chan error
}

// boot runs the program with args on as many free ports, and stops it in the end.
func boot(t *testing.T, ports int, args ...string) *inside {
	t.Helper()
	p := &inside{t: t, ended: make(chan error, 1)}
	args = append([]string{"-port", strings.Repeat("127.0.0.1:0,", ports), "-drain-window", "0"}, args...)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.ended <- run(ctx, args, &p.stderr) }()
	t.Cleanup(func() { stop() })
	testkit.Eventually(t, "the program listens", func() bool {
		select {
		case err := <-p.ended:
			t.Fatalf("run(%q) = %v before it listens; stderr:\n%s", args, err, &p.stderr)
		default:
		}
		p.addrs = p.stderr.Addresses("listening")
		for _, a := range p.stderr.Addresses("listening for operators") {
			p.admin = a
		}
		return len(p.addrs) == ports && (p.admin != "" || !slices.Contains(args, "-admin-addr"))
	})
	return p
}

// end waits for the end of run.
func (p *inside) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.t.Fatalf("run has not returned after %v; stderr:\n%s", patience, &p.stderr)
		return nil
	}
}

func (p *inside) url(path string) string { return "http://" + p.addrs[0] + path }

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
	for line := ""; line != "\r\n"; {
		if line, err = br.ReadString('\n'); err != nil {
			t.Fatalf("opening a stream: %v", err)
		}
	}
	br = bufio.NewReader(httputil.NewChunkedReader(br))
	if line, err := br.ReadString('\n'); line != ": connected\n" {
		t.Fatalf("a stream begins with %q, %v; want a comment", line, err)
	}
	return conn, br
}
