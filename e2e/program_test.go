//go:build unix

// Package e2e tests the built program with a browser and with clients that are
// not written in Go.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 90 * time.Second

var binary string

func TestMain(m *testing.M) {
	for _, command := range []string{"redis-server", "redis-cli", "chromium", "node", "curl", "jq", "bash", "openssl", "java"} {
		if _, err := exec.LookPath(command); err != nil {
			fmt.Fprintf(os.Stderr, "%s is not installed: sh e2e/run.sh installs what these tests need\n", command)
			os.Exit(1)
		}
	}
	for _, name := range []string{"ws", "hls.js", "@svta/cml-cmcd", "@srgssr/pillarbox-web", "undici"} {
		if _, err := os.Stat("node_modules/" + name); err != nil {
			fmt.Fprintln(os.Stderr, "the npm packages are not installed: sh e2e/run.sh installs what these tests need")
			os.Exit(1)
		}
	}
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "event_dispatcher")
	build := exec.Command("go", "build", "-o", binary, "cmd/event_dispatcher/main.go")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// run starts a process that ends with the test.
func run(t testing.TB, stdout, stderr io.Writer, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// lines is output that can be read while it grows.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// each decodes the lines that are JSON.
func each[T any](l *lines) (all []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var v T
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &v) == nil {
			all = append(all, v)
		}
	}
	return all
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

// start runs the program on as many free ports as wanted, and returns them.
func start(t testing.TB, ports int, args ...string) (addrs []string) {
	t.Helper()
	var log lines
	list := strings.Repeat(",127.0.0.1:0", ports)[1:]
	run(t, nil, &log, binary, append([]string{"-port", list}, args...)...)
	eventually(t, "the program listens", func() bool {
		addrs = nil
		for _, entry := range each[struct{ Msg, Address string }](&log) {
			if entry.Msg == "listening" {
				addrs = append(addrs, entry.Address)
			}
		}
		return len(addrs) == ports
	})
	return addrs
}

// startAgain runs the program on one address.
func startAgain(t testing.TB, at string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	var log lines
	cmd = run(t, nil, &log, binary, "-port", at)
	eventually(t, "the program listens", func() bool {
		for _, entry := range each[struct{ Msg, Address string }](&log) {
			if entry.Msg == "listening" {
				addr = entry.Address
			}
		}
		return addr != ""
	})
	return cmd, addr
}

// startRedis runs a redis-server and returns its URL.
func startRedis(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	run(t, nil, nil, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	eventually(t, "Redis listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "redis://" + addr + "/0"
}

// startPair runs two instances that share sessions. They hear each other's players once
// they have consumers: see hears.
func startPair(t testing.TB) (a, b string) {
	t.Helper()
	url := startRedis(t)
	a, b = start(t, 1, "-redis", url)[0], start(t, 1, "-redis", url)[0]
	for _, addr := range []string{a, b} {
		eventually(t, "the instances share sessions", func() bool {
			return strings.Contains(get(t, addr, "/metrics"), "\ndispatcher_relay_up{events=\"sessions\"} 1\n") &&
				strings.Contains(get(t, addr, "/readyz"), `"ready"`)
		})
	}
	return a, b
}

// hears waits until an instance that has a consumer now gets what players post to the
// others.
func hears(t testing.TB, addr string) {
	t.Helper()
	eventually(t, "the instance hears the other", func() bool {
		return strings.Contains(get(t, addr, "/metrics"), "\ndispatcher_relay_subscribed_channels{events=\"firehose\"} 1\n")
	})
}

func get(t testing.TB, addr, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// sample is the request of the README of the service that this one replaces.
const sample = `{
  "username" : "alice",
  "cardId" : "id_123",
  "data" : "this card's subtitle is different now!"
}`

// submit has curl send the sample, and returns the event's id.
func submit(t testing.TB, addr string) string {
	t.Helper()
	out, err := exec.Command("curl", "-sS", "-f", "-i", "-X", "POST", "-H", "Content-Type: application/json", "-d", sample, "http://"+addr+"/poc/submit_update_event").CombinedOutput()
	_, rest, ok := strings.Cut(string(out), "X-Event-Id: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	if err != nil || !ok {
		t.Fatalf("curl = %v\n%s", err, out)
	}
	return id
}

func wantSample(t testing.TB, text, id string) {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("event = %q: %v", text, err)
	}
	for key, want := range map[string]string{
		"eventId": id, "sourceId": "alice", "targetId": "id_123", "data": "this card's subtitle is different now!",
		"eventAction": "UPDATING_CARD", "type": "USER_SESSION_EVENT",
	} {
		if e[key] != want {
			t.Errorf("%s = %v; want %q", key, e[key], want)
		}
	}
}
