//go:build linux

package proxies

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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 90 * time.Second

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "proxies")
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

// A process is a program that ends with its test, or with the test binary.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	log   *output
	ended chan struct{}
}

func launch(t testing.TB, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), log: &output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(path), p.log)
		}
	})
	return p
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// output is what a process writes, and can be read meanwhile.
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

// A service is the running program.
type service struct {
	*process
	addr string
}

// serve runs the program behind proxies on 127.0.0.1, and waits until it listens.
func serve(t testing.TB, args ...string) *service {
	t.Helper()
	args = append([]string{"-port", "127.0.0.1:0", "-trusted-proxies", "127.0.0.1", "-drain-window", "0"}, args...)
	s := &service{process: launch(t, binary, args...)}
	eventually(t, "the program listens", func() bool {
		for line := range strings.Lines(s.log.String()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				s.addr = entry.Address
			}
		}
		return s.addr != "" || s.hasEnded()
	})
	return s
}

// metric is the value of a time series; it does not go through a proxy.
func (s *service) metric(series string) float64 {
	s.t.Helper()
	resp, err := http.Get("http://" + s.addr + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return v
		}
	}
	return 0
}

// addresses is how many loopback addresses were given away.
var addresses atomic.Uint32

// freeAddr is a loopback address where nobody listens, and nobody of this package
// will: two tests must not take the same one before either of them listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	n := addresses.Add(1)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+os.Getpid()%250, n/250, 1+n%250))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}
