package program

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"event-dispatcher/internal/testkit"
)

// A Program is one running event dispatcher.
type Program struct {
	*Process
	Addrs []string // where it listens
	Admin string   // where it listens for operators, if it does
}

var built string // directory of the program, once a test has built it

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "event_dispatcher")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "event_dispatcher")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "event-dispatcher/cmd/event_dispatcher").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Clean removes the program that [Command] has built; for TestMain, at the end.
func Clean() {
	if built != "" {
		_ = os.RemoveAll(built) // a leftover in the system's temporary directory harms nobody
	}
}

// Command is the program, built once for all tests of a package, in an environment
// that has nothing but what env adds.
func Command(tb testing.TB, env []string, args ...string) *exec.Cmd {
	tb.Helper()
	testkit.Need(tb, "go")
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	return cmd
}

// Start runs the program on a free port, or where "-port" in args says, and waits
// until it listens everywhere. It ends with the test.
func Start(tb testing.TB, args ...string) *Program {
	tb.Helper()
	at := slices.Index(args, "-port")
	if at < 0 {
		at, args = 0, append([]string{"-port", "127.0.0.1:0"}, args...)
	}
	return Run(tb, Command(tb, nil, args...), len(strings.Split(args[at+1], ",")))
}

// Run is [Start] with a command of the caller's and on so many ports.
func Run(tb testing.TB, cmd *exec.Cmd, ports int) *Program {
	tb.Helper()
	p := &Program{Process: Launch(tb, cmd)}
	operators := slices.Contains(cmd.Args, "-admin-addr")
	testkit.Eventually(tb, "the program listens", func() bool {
		p.Addrs = p.Log.Addresses("listening")
		if admin := p.Log.Addresses("listening for operators"); len(admin) > 0 {
			p.Admin = admin[0]
		}
		return len(p.Addrs) == ports && (p.Admin != "" || !operators) || p.HasEnded()
	})
	if p.HasEnded() {
		tb.Fatalf("the program ended with code %d before it listened", p.Cmd.ProcessState.ExitCode())
	}
	return p
}

// URL is that of a path at the first address.
func (p *Program) URL(path string) string { return "http://" + p.Addrs[0] + path }

// client keeps as many connections as a test needs.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: testkit.Patience}

// Post sends a body and returns the status.
func (p *Program) Post(path, body string) (int, http.Header, error) {
	resp, err := client.Post(p.URL(path), "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header, err
}

// Get returns the status and the body, or 0 and the error.
func (p *Program) Get(path string) (int, string) { return get(p.URL(path)) }

func get(url string) (int, string) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// Metric is the value of one time series; 0 if there is none. It asks the operators'
// listener, if there is one.
func (p *Program) Metric(series string) float64 {
	return p.add(func(s string) bool { return s == series })
}

// Sum adds up the series of a metric that have the label.
func (p *Program) Sum(name, label string) float64 {
	return p.add(func(s string) bool { return strings.HasPrefix(s, name+"{") && strings.Contains(s, label) })
}

func (p *Program) add(counts func(series string) bool) (total float64) {
	url := p.URL("/metrics")
	if p.Admin != "" {
		url = "http://" + p.Admin + "/metrics"
	}
	_, body := get(url)
	for line := range strings.Lines(body) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && counts(line[:at]) {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
			if err != nil {
				p.tb.Errorf("GET /metrics has the line %q", line)
			}
			total += v
		}
	}
	return total
}
