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

// As systemd does it: the socket is open before the program, which is told by
// LISTEN_FDS, and says at NOTIFY_SOCKET how far it is.
func TestSystemdOpensTheSocketAndHearsOfEverything(t *testing.T) {
	t.Parallel()
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
	supervisor, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer supervisor.Close()
	supervisor.SetReadDeadline(time.Now().Add(patience))

	built := program.Command(t, []string{"NOTIFY_SOCKET=" + supervisor.LocalAddr().String(), "WATCHDOG_USEC=300000"}, "-port", "127.0.0.1:1", "-drain-window", "0")
	// LISTEN_PID must be the program's, which a shell knows before it becomes it.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, built.Path}, built.Args[1:]...)...)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = built.Env, os.Stderr, []*os.File{file}
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
	resp, err := http.Get("http://" + ln.Addr().String() + "/readyz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("GET /readyz by the socket of the supervisor = %v, %v; want 200", resp, err)
	}
	resp.Body.Close()
	hears("WATCHDOG=1")
	hears("WATCHDOG=1")
	cmd.Process.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program ends with %v; want 0", err)
	}
}
