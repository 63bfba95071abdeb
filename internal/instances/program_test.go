//go:build unix

package instances

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. No test says how fast
// anything is: that is for the benchmark.
const patience = 90 * time.Second

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	// The tests mostly wait: for a minute of an outage, for a lease to end. All
	// do so at the same time, however few processors there are.
	flag.Parse()
	flag.Set("test.parallel", "64")
	dir, err := os.MkdirTemp("", "instances")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "event_dispatcher")
	if out, err := exec.Command("go", "build", "-o", binary, "event-dispatcher/cmd/event_dispatcher").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// An instance is one running program.
type instance struct {
	t     testing.TB
	cmd   *exec.Cmd
	addrs []string // where it listens
	log   *logBook
	ended chan struct{}
	err   error // of Wait, once ended
}

// start runs the program on a free port, and waits until it listens. It ends with
// the test.
func start(t testing.TB, args ...string) *instance {
	t.Helper()
	return startOn(t, "127.0.0.1:0", args...)
}

func startOn(t testing.TB, ports string, args ...string) *instance {
	t.Helper()
	i := &instance{t: t, log: &logBook{}, ended: make(chan struct{})}
	i.cmd = exec.Command(binary, append([]string{"-port", ports}, args...)...)
	i.cmd.Stderr = i.log
	i.cmd.SysProcAttr = dieWithParent()
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		i.err = i.cmd.Wait()
		close(i.ended)
	}()
	t.Cleanup(func() {
		i.cmd.Process.Kill()
		<-i.ended
		if t.Failed() {
			t.Logf("log of the instance on %v:\n%s", i.addrs, i.log)
		}
	})
	want := len(strings.Split(ports, ","))
	eventually(t, "the instance listens", func() bool {
		i.addrs = i.log.listening()
		return len(i.addrs) == want || i.hasEnded()
	})
	if i.hasEnded() {
		t.Fatalf("the program ended: %v\n%s", i.err, i.log)
	}
	return i
}

// startAll starts n instances that share a Redis, and waits until they hear each other.
func startAll(t testing.TB, n int, url string, args ...string) []*instance {
	t.Helper()
	all := make([]*instance, n)
	for k := range all {
		all[k] = start(t, append([]string{"-redis", url}, args...)...)
	}
	together(t, all...)
	return all
}

// together waits until the instances hear each other.
func together(t testing.TB, all ...*instance) {
	t.Helper()
	for _, i := range all {
		eventually(t, "the instances hear each other", func() bool {
			return i.metric(`dispatcher_relay_up{events="firehose"}`) == 1 && i.metric(`dispatcher_relay_up{events="sessions"}`) == 1 &&
				i.metric("dispatcher_session_store_up") == 1 && i.metric("dispatcher_relay_origins") >= float64(len(all)-1)
		})
	}
}

func (i *instance) hasEnded() bool {
	select {
	case <-i.ended:
		return true
	default:
		return false
	}
}

func (i *instance) url(path string) string { return "http://" + i.addrs[0] + path }

// exits sends a signal and returns the exit code.
func (i *instance) exits(sig syscall.Signal) int {
	i.t.Helper()
	i.cmd.Process.Signal(sig)
	select {
	case <-i.ended:
	case <-time.After(patience):
		i.t.Fatal("the program does not end")
	}
	return i.cmd.ProcessState.ExitCode()
}

// client keeps as many connections as a test needs.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: patience}

// post sends a body and returns the status.
func (i *instance) post(path, body string) (int, http.Header, error) {
	resp, err := client.Post(i.url(path), "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header, nil
}

func (i *instance) get(path string) (int, string) {
	i.t.Helper()
	resp, err := client.Get(i.url(path))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// metric is the value of one time series; 0 if there is none.
func (i *instance) metric(series string) float64 {
	_, body := i.get("/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return v
		}
	}
	return 0
}

// sum adds up the series of a metric that have the label.
func (i *instance) sum(name, label string) (total float64) {
	_, body := i.get("/metrics")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, label) {
			fields := strings.Fields(line)
			v, _ := strconv.ParseFloat(fields[len(fields)-1], 64)
			total += v
		}
	}
	return total
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

// A logBook is what a program writes to stderr.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBook) listening() (addrs []string) {
	for line := range strings.Lines(l.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			addrs = append(addrs, entry.Address)
		}
	}
	return addrs
}
