//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds the program once, from its one file, as the documentation does.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "event_dispatcher")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "event_dispatcher")
	build := exec.Command("go", "build", "-o", path, "cmd/event_dispatcher/main.go")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

// command is the built program with a clean environment.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("go build cmd/event_dispatcher/main.go: %v", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	return cmd
}

// started waits until the program listens, and ends it with the test.
func started(t *testing.T, cmd *exec.Cmd) (stderr *output, addr string) {
	t.Helper()
	stderr = &output{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	eventually(t, "the program listens", func() bool {
		if a := stderr.addresses("listening"); len(a) > 0 {
			addr = a[0]
		}
		return addr != ""
	})
	return stderr, addr
}

// wait returns the exit code; -1 if a signal ended the program.
func wait(t *testing.T, cmd *exec.Cmd, stderr *output) int {
	t.Helper()
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer limit.Stop()
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGKILL {
		t.Errorf("the program has not ended after %v; stderr:\n%s", patience, stderr)
	}
	return cmd.ProcessState.ExitCode()
}

func TestExitCodesTellUsageFromFailure(t *testing.T) {
	t.Parallel()
	_, busy := started(t, command(t, nil, "-port", "127.0.0.1:0"))
	for _, tt := range []struct {
		env            []string
		args           string
		code           int
		stdout, stderr string
	}{
		{nil, "-version", 0, "event_dispatcher ", ""},
		{nil, "-h", 0, "", "-max-body"},
		{nil, "-nonsense", 2, "", "nonsense"},
		{nil, "argument", 2, "", "argument"},
		{nil, "-port :x", 2, "", "-port"},
		{[]string{"PORT=:x"}, "", 2, "", "-port"},
		{[]string{"MAX_BODY=x"}, "", 2, "", "MAX_BODY"},
		{nil, "-ring-bytes 1000", 2, "", "ring bytes"},
		{nil, "-port " + busy, 1, "", "address already in use"},
		{[]string{"PORT=" + busy}, "", 1, "", "address already in use"},
		{nil, "-healthcheck -port " + busy, 0, "", ""},
		{[]string{"PORT=" + busy, "HTTP_PROXY=http://192.0.2.1:1"}, "-healthcheck", 0, "", ""},
		{nil, "-healthcheck -port 127.0.0.1:1", 1, "", "refused"},
	} {
		cmd := command(t, tt.env, strings.Fields(tt.args)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		cmd.Run()
		limit.Stop()
		if got := cmd.ProcessState.ExitCode(); got != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%v event_dispatcher %s exits %d, stdout %q, stderr %.300q; want %d, %q, %q",
				tt.env, tt.args, got, &stdout, &stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

func TestSignalEndsTheProgramWithZero(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := command(t, []string{"PORT=127.0.0.1:0"}, "-drain-window", "0")
		stderr, addr := started(t, cmd)
		if status, _ := get(t, "http://"+addr+"/livez"); status != 200 {
			t.Errorf("GET /livez with PORT from the environment = %d; want 200", status)
		}
		cmd.Process.Signal(sig)
		if code := wait(t, cmd, stderr); code != 0 {
			t.Errorf("exit code after %v = %d; want 0; stderr:\n%s", sig, code, stderr)
		}
	}
}

func TestSecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	cmd := command(t, nil, "-port", "127.0.0.1:0", "-drain-timeout", "1h", "-drain-silence", "30m")
	stderr, addr := started(t, cmd)
	openStream(t, addr)
	cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "the program drains", func() bool { return strings.Contains(stderr.String(), "shutting down") })
	endAtOnce(t, cmd, stderr)
}

// endAtOnce signals for the second time, and holds the program to end by that.
func endAtOnce(t *testing.T, cmd *exec.Cmd, stderr *output) {
	t.Helper()
	// The first signal's handler is removed in a goroutine, so a second one may
	// have to be repeated.
	ended := make(chan int, 1)
	go func() { ended <- wait(t, cmd, stderr) }()
	for {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case code := <-ended:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("the second signal ends the program with code %d; want by the signal", code)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// The lead is longer than the test, which looks at it from all sides.
func TestNothingButReadinessEndsDuringTheLead(t *testing.T) {
	t.Parallel()
	cmd := command(t, nil, "-port", "127.0.0.1:0", "-admin-addr", "127.0.0.1:0", "-drain-lead", "1h", "-drain-timeout", "2h")
	stderr, addr := started(t, cmd)
	var admin string
	eventually(t, "the program listens for operators", func() bool {
		for _, a := range stderr.addresses("listening for operators") {
			admin = a
		}
		return admin != ""
	})
	keepAlive := http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}
	defer keepAlive.CloseIdleConnections()
	publish := func(body string) {
		t.Helper()
		resp, err := keepAlive.Post("http://"+addr+"/metrics", "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("POST on an open connection = %d; want 200", resp.StatusCode)
		}
	}
	_, before := openStream(t, addr)
	publish("1")
	cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "the program is not ready", func() bool {
		status, body := get(t, "http://"+admin+"/readyz")
		return status == 503 && strings.Contains(body, "draining")
	})
	_, during := openStream(t, addr)
	publish("2")
	if got := post(t, "http://"+addr+"/metrics", "3"); got != 200 {
		t.Errorf("POST on a new connection = %d; want 200", got)
	}
	for want, br := range map[string]*bufio.Reader{"data: 1\n\ndata: 2\n\ndata: 3\n\n": before, "data: 2\n\ndata: 3\n\n": during} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != want {
			t.Errorf("a stream = %q, %v; want %q", got, err, want)
		}
	}
	for _, path := range []string{"/livez", "/health"} {
		if status, _ := get(t, "http://"+admin+path); status != 200 {
			t.Errorf("GET %s = %d; want 200", path, status)
		}
	}
	// A second signal does not wait for the rest of the lead.
	endAtOnce(t, cmd, stderr)
}

// The documented command, on a fresh clone.
func TestProgramRunsFromItsOneFile(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "run", "cmd/event_dispatcher/main.go", "-version")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "event_dispatcher ") {
		t.Errorf("go run cmd/event_dispatcher/main.go -version = %q, %v; want the version", out, err)
	}
}
