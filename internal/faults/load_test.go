//go:build unix

package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/program"
)

// A load is players that post at a steady rate, each on one connection.
type load struct {
	t        testing.TB
	accepted atomic.Int64
	refused  atomic.Int64
	quit     chan struct{}
	playing  sync.WaitGroup

	mu    sync.Mutex
	times []time.Duration // from the request to its answer
}

// play starts players 1 to n with so many events of a size per second in all.
func play(t testing.TB, addr string, players, rate, size int) *load {
	t.Helper()
	l := &load{t: t, quit: make(chan struct{})}
	for p := range players {
		l.playing.Go(func() { l.player(addr, p+1, time.Second*time.Duration(players)/time.Duration(rate), size) })
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) player(addr string, id int, interval time.Duration, size int) {
	var conn net.Conn
	var br *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	next := time.Now()
	for n := int64(1); ; {
		select {
		case <-l.quit:
			return
		default:
		}
		if wait := time.Until(next); wait > 0 {
			time.Sleep(wait)
		} else if wait < -time.Second {
			next = time.Now() // the machine is slow
		}
		next = next.Add(interval)
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				l.refused.Add(1)
				continue
			}
			br = bufio.NewReader(conn)
		}
		start := time.Now()
		status, keep := post(conn, br, numbered(id, n, size))
		if status != 200 {
			l.refused.Add(1)
		} else {
			n++
			l.accepted.Add(1)
			l.mu.Lock()
			l.times = append(l.times, time.Since(start))
			l.mu.Unlock()
		}
		if !keep {
			conn.Close()
			conn = nil
		}
	}
}

// post sends one event and reads its answer; status 0: there was none.
func post(conn net.Conn, br *bufio.Reader, body []byte) (status int, keep bool) {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	head := fmt.Appendf(nil, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := conn.Write(append(head, body...)); err != nil {
		return 0, false
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return 0, false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err == nil && !resp.Close
}

// stop ends the load. It may be called again.
func (l *load) stop() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.playing.Wait()
}

// p99 is that of the answers since the last call.
func (l *load) p99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.times) == 0 {
		return 0
	}
	slices.Sort(l.times)
	v := l.times[len(l.times)*99/100]
	l.times = nil
	return v.Round(10 * time.Microsecond)
}

// resident is the memory of a process, in bytes, as the system counts it: now and at most.
func resident(t testing.TB, p *program.Program) (now, peak int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "VmRSS:" && f[0] != "VmHWM:" {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if f[0] == "VmRSS:" {
			now = kib << 10
		} else {
			peak = kib << 10
		}
	}
	return now, peak
}

// descriptors is how many a process has open.
func descriptors(t testing.TB, p *program.Program) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.Cmd.Process.Pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// cpu is the processor time that a process has used.
func cpu(t testing.TB, p *program.Program) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Cmd.Process.Pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // by ticks of 1/100 s
}
