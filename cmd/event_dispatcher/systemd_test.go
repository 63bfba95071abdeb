//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/program"
)

// As systemd does it: the sockets are open before the program, which is told by
// LISTEN_FDS, and says at NOTIFY_SOCKET how far it is. What operators see is at their socket.
func TestSystemdOpensTheSocketAndHearsOfEverything(t *testing.T) {
	t.Parallel()
	var addrs []string
	var files []*os.File
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		addrs, files = append(addrs, ln.Addr().String()), append(files, file)
	}
	supervisor, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer supervisor.Close()
	supervisor.SetReadDeadline(time.Now().Add(patience))

	built := program.Command(t, []string{"NOTIFY_SOCKET=" + supervisor.LocalAddr().String(), "WATCHDOG_USEC=300000"}, "-port", "127.0.0.1:1", "-drain-window", "0")
	// LISTEN_PID must be the program's, which a shell knows before it becomes it.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=event_dispatcher.socket:admin exec "$0" "$@"`, built.Path}, built.Args[1:]...)...)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = built.Env, os.Stderr, files
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	hears := func(want string) {
		t.Helper()
		for buf := make([]byte, 256); ; {
			n, err := supervisor.Read(buf)
			if err != nil {
				t.Fatalf("the supervisor waits for %s: %v", want, err)
			}
			if got := strings.TrimSpace(string(buf[:n])); got == want {
				return
			} else if got != "WATCHDOG=1" {
				t.Fatalf("the supervisor hears %q; want %s", got, want)
			}
		}
	}
	hears("READY=1")
	for _, tt := range []struct {
		addr, path string
		want       int
	}{{addrs[0], "/events/view", 200}, {addrs[0], "/consumers", 404}, {addrs[1], "/consumers", 200}, {addrs[1], "/readyz", 200}} {
		resp, err := http.Get("http://" + tt.addr + tt.path)
		if err != nil || resp.StatusCode != tt.want {
			t.Fatalf("GET %s by a socket of the supervisor = %v, %v; want %d", tt.path, resp, err, tt.want)
		}
		resp.Body.Close()
	}
	hears("WATCHDOG=1")
	hears("WATCHDOG=1")
	cmd.Process.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program ends with %v; want 0", err)
	}
}
