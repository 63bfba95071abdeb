//go:build unix

package instances

import (
	"bufio"
	"bytes"
	"encoding/json"
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

// publish posts the numbered event, which must be accepted.
func (i *instance) publish(n int) {
	i.t.Helper()
	if status, _, err := i.post("/metrics", numbered(n)); status != 200 {
		i.t.Fatalf("POST %d = %d, %v; want 200", n, status, err)
	}
}

// numbered is an event of about 500 bytes.
func numbered(n int) string { return fmt.Sprintf(`{"n":%d,"pad":"%s"}`, n, strings.Repeat("x", 480)) }

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

// A stream is one consumer over Server-Sent Events that counts numbered events.
type stream struct {
	t    testing.TB
	body io.ReadCloser
	done chan struct{} // closed at the end of the stream

	mu       sync.Mutex
	received int
	skipped  int
	last     int
	wrong    int  // events out of order, or twice
	retry    bool // the stream ended with a retry
	err      error
}

// listen opens a stream. With anyOrder set, events of several origins are mixed.
func (i *instance) listen(anyOrder bool) *stream {
	i.t.Helper()
	resp, err := http.Get(i.url("/events")) // not through client: it has no end
	if err != nil {
		i.t.Fatal(err)
	}
	s := &stream{t: i.t, body: resp.Body, done: make(chan struct{})}
	br := bufio.NewReaderSize(resp.Body, 64<<10)
	if first, _ := br.ReadString('\n'); !strings.HasPrefix(first, ":") {
		i.t.Fatalf("first line = %q; want a comment", first)
	}
	go s.read(br, anyOrder)
	i.t.Cleanup(func() {
		resp.Body.Close()
		<-s.done
	})
	return s
}

func (s *stream) read(br *bufio.Reader, anyOrder bool) {
	defer close(s.done)
	seen := map[int]bool{}
	for {
		line, err := br.ReadString('\n')
		s.mu.Lock()
		var n int
		if _, e := fmt.Sscanf(line, `data: {"n":%d,`, &n); e == nil {
			if anyOrder && seen[n] || !anyOrder && n <= s.last {
				s.wrong++
			}
			seen[n] = true
			s.received, s.last = s.received+1, n
		} else if _, e := fmt.Sscanf(line, ": skipped %d", &n); e == nil {
			s.skipped += n
		}
		s.retry = s.retry || strings.HasPrefix(line, "retry:")
		s.err = err
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *stream) books() (received, skipped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received, s.skipped
}

// wantBooks waits until everything published was received or reported as
// skipped, and holds the stream to that and to its order.
func (s *stream) wantBooks(published int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("received + skipped = %d", published), func() bool {
		r, k := s.books()
		return r+k >= published
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.received+s.skipped != published || s.wrong != 0 {
		s.t.Errorf("received %d + skipped %d of %d published, %d of them out of order or twice", s.received, s.skipped, published, s.wrong)
	}
}
