//go:build unix

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// free is an address where nobody listens.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// shell runs a script, and all that it starts, until the test ends or stop is called.
func shell(t testing.TB, dir, script string) (out *lines, stop func()) {
	t.Helper()
	return running(t, dir, "bash", "-c", script)
}

func running(t testing.TB, dir, name string, args ...string) (out *lines, stop func()) {
	t.Helper()
	out = &lines{}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	stop = func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); <-ended }
	t.Cleanup(stop)
	return out, stop
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// prints waits until the output has something.
func prints(t testing.TB, out *lines, what string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the output is\n%.2000s", out)
		}
	}()
	eventually(t, "the output has "+what, func() bool { return strings.Contains(out.String(), what) })
}

// speaks posts events of every kind that the documents ask for, until the test ends:
// a consumer may come at any time.
func speaks(t testing.TB, addr string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			name := []string{"START", "HEARTBEAT", "ERROR", "STOP"}[n%4]
			event := fmt.Sprintf(`{"event_name":%q,"session_id":"s%d","timestamp":%d,"data":{"position":%d,"stall":{"count":2},"player":{"platform":"Web"}}}`, name, n/4, n, n)
			if resp, err := http.Post("http://"+addr+"/api/events", "application/json", strings.NewReader(event)); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}
