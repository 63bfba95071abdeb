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
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/access"
)

func TestExitCodesTellUsageFromFailure(t *testing.T) {
	t.Parallel()
	busy := program.Start(t).Addrs[0]
	cert, key := testkit.Certificate(t, t.TempDir(), time.Now().Add(time.Hour))
	encrypted := program.Start(t, "-tls-cert", cert, "-tls-key", key).Addrs[0]
	for _, tt := range []struct {
		env            []string
		args           string
		code           int
		stdout, stderr string
	}{
		{nil, "-version", 0, "event_dispatcher ", ""},
		{nil, "-h", 0, "-max-body", ""},
		{nil, "-h", 0, "event_dispatcher token", ""},
		{nil, "-h", 0, "but for -config, -check, -print-config, -version, -healthcheck.", ""},
		{nil, "token", 0, "sha256", ""},
		{nil, "token -h", 0, "Usage: event_dispatcher token", ""},
		{nil, "token x", 2, "", "takes none"},
		{nil, "-nonsense", 2, "", "nonsense"},
		{nil, "argument", 2, "", "argument"},
		{nil, "-port :x", 2, "", "-port"},
		{[]string{"PORT=:x"}, "", 2, "", "-port"},
		{[]string{"MAX_BODY=x"}, "", 2, "", "MAX_BODY"},
		{nil, "-ring-bytes 1000", 2, "", "ring bytes"},
		{nil, "-port " + busy, 1, "", "address already in use: another program listens there; -port picks another"},
		{[]string{"PORT=" + busy}, "", 1, "", "address already in use"},
		{nil, "-prot " + busy, 2, "", "did you mean -port?"},
		{nil, "-print-config", 0, "max-body = 262144  # default", ""},
		{[]string{"MAX_BODDY=1"}, "-check -port " + busy, 0, "configuration OK", "MAX_BODDY (did you mean MAX_BODY?)"},
		{nil, "-check -shards 65 -ring-bytes 1", 2, "", "-shards"},
		{nil, "-healthcheck -port " + busy, 0, "", ""},
		{[]string{"PORT=" + busy, "HTTP_PROXY=http://192.0.2.1:1"}, "-healthcheck", 0, "", ""},
		{nil, "-healthcheck -port 127.0.0.1:1", 1, "", "refused\n"},
		{nil, "-healthcheck -port " + encrypted, 1, "", "seems to speak TLS"},
		{nil, "-healthcheck -port " + encrypted + " -tls-cert " + cert, 0, "", ""},
	} {
		cmd := program.Command(t, tt.env, strings.Fields(tt.args)...)
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

func TestWelcomeSaysWhatIsOpen(t *testing.T) {
	t.Parallel()
	_, hash := access.NewToken()
	for rights, want := range map[string]string{
		"":                                     "access   everybody may publish, consume, operate\n",
		"[anonymous]\nroles = [\"publish\"]\n": "access   everybody may publish\n",
		"[[tokens]]\nname = \"a\"\nsha256 = \"" + hash + "\"\nroles = [\"consume\"]\n": "access   nobody may anything without a token\n",
	} {
		args := []string{"-port", "127.0.0.1:0", "-log-format", "text"}
		if rights != "" {
			file := filepath.Join(t.TempDir(), "access.toml")
			if err := os.WriteFile(file, []byte(rights), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "-access", file)
		}
		p := program.Launch(t, program.Command(t, nil, args...))
		testkit.Eventually(t, "it says "+want, func() bool { return strings.Contains(p.Log.String(), want) })
	}
}

func TestSignalEndsTheProgramWithZero(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := program.Run(t, program.Command(t, []string{"PORT=127.0.0.1:0"}, "-drain-window", "0"), 1)
		if status, _ := p.Get("/livez"); status != 200 {
			t.Errorf("GET /livez with PORT from the environment = %d; want 200", status)
		}
		if code := p.Exits(sig); code != 0 {
			t.Errorf("exit code after %v = %d; want 0", sig, code)
		}
	}
}

func TestSecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "-drain-timeout", "1h", "-drain-silence", "30m")
	openStream(t, p.Addrs[0])
	p.Cmd.Process.Signal(syscall.SIGTERM)
	testkit.Eventually(t, "the program drains", func() bool { return strings.Contains(p.Log.String(), "shutting down") })
	endAtOnce(t, p)
}

// endAtOnce signals for the second time, and holds the program to end by that.
func endAtOnce(t *testing.T, p *program.Program) {
	t.Helper()
	// The first signal's handler is removed in a goroutine, so a second one may
	// have to be repeated.
	testkit.Eventually(t, "the second signal ends the program", func() bool {
		p.Cmd.Process.Signal(syscall.SIGTERM)
		return p.HasEnded()
	})
	code := p.Wait()
	if status := p.Cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the second signal ends the program with code %d; want by the signal", code)
	}
}

// The lead is longer than the test, which looks at it from all sides.
func TestNothingButReadinessEndsDuringTheLead(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "-admin-addr", "127.0.0.1:0", "-drain-lead", "1h", "-drain-timeout", "2h")
	addr, admin := p.Addrs[0], p.Admin
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
	p.Cmd.Process.Signal(syscall.SIGTERM)
	testkit.Eventually(t, "the program is not ready", func() bool {
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
	endAtOnce(t, p)
}

// The runtime's table of allocations grows for hours. It is there for those who can ask for it.
func TestMemoryProfileIsKeptForOperatorsOnly(t *testing.T) {
	t.Parallel()
	grows := func(p *program.Program, metrics string) bool {
		table := func() string {
			_, body := get(t, metrics)
			_, line, _ := strings.Cut(body, "\ngo_memstats_buck_hash_sys_bytes ")
			line, _, _ = strings.Cut(line, "\n")
			return line
		}
		before := table()
		for range 100 { // several times as much as one sample is taken of
			table()
			p.Get("/openapi.json")
		}
		return table() != before
	}
	// Each processor takes one more sample, whenever it comes to it.
	alone, more := program.Start(t), 0
	for grows(alone, alone.URL("/metrics")) {
		if more++; more > 2*runtime.NumCPU() { // one for each processor, and those of the loops
			t.Fatalf("allocations are sampled although nobody can see a profile")
		}
	}
	if p := program.Start(t, "-admin-addr", "127.0.0.1:0"); !grows(p, "http://"+p.Admin+"/metrics") {
		t.Error("allocations are not sampled for /debug/pprof/heap")
	}
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
