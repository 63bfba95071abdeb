//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// each calls f with 0 to n-1, some dozens at a time.
func each(n int, f func(i int)) {
	var calls sync.WaitGroup
	places := make(chan struct{}, 64)
	for i := range n {
		places <- struct{}{}
		calls.Go(func() {
			defer func() { <-places }()
			f(i)
		})
	}
	calls.Wait()
}

// from connects from a loopback address of its own.
func from(address string) dialer {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return func(addr string) (net.Conn, error) { return d.Dial("tcp", addr) }
}

func TestFault5ResetStorm(t *testing.T) {
	p := program.Start(t)
	n := testkit.Sized(10_000, 1000)
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	l := play(t, p.Addrs[0], 2, 200, 500)
	testkit.Eventually(t, "events flow", func() bool { return control[2].received.Load() > 0 })
	goroutines, open := p.Metric("go_goroutines"), descriptors(t, p)
	begun := time.Now()
	each(n, func(i int) {
		if testkit.Full() { // over a minute
			time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Minute / time.Duration(n))))
		}
		c, err := net.Dial("tcp", p.Addrs[0])
		if err != nil {
			t.Error(err)
			return
		}
		switch i % 4 { // before the request, within it, after it, and once the stream is open
		case 1:
			io.WriteString(c, "GET /events HTTP/1.1\r\nHo")
		case 2, 3:
			io.WriteString(c, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
			if i%4 == 3 {
				_, _ = c.Read(make([]byte, 1))
			}
		}
		_ = testkit.Reset(c)
	})
	ended := time.Now()
	var g float64
	var d int
	testkit.Eventually(t, "all is back at its baseline", func() bool {
		g, d = p.Metric("go_goroutines"), descriptors(t, p)
		return p.Sum("dispatcher_consumers", "wire=") == float64(len(control)) && g <= goroutines+2 && d <= open+2
	})
	back := time.Since(ended)
	l.stop()
	wantBooks(t, control, l.accepted.Load())
	if l.refused.Load() != 0 {
		t.Errorf("%d events refused; want none", l.refused.Load())
	}
	testkit.Measured(t, "%d connections reset in %.1f s; %.1f s later %v goroutines (before %v), %d descriptors (before %d)",
		n, ended.Sub(begun).Seconds(), back.Seconds(), g, goroutines, d, open)
}

func TestFault6SlowRequests(t *testing.T) {
	limit := testkit.Sized(10*time.Second, time.Second)
	p := program.Start(t, "-read-timeout", limit.String())
	l := play(t, p.Addrs[0], 4, 200, 600)
	n := testkit.Sized(3000, 150)
	var mu sync.Mutex
	var least, most time.Duration
	times := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if least == 0 || d < least {
			least = d
		}
		most = max(most, d)
	}
	var slow sync.WaitGroup
	for i := range n {
		c, err := net.Dial("tcp", p.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		text := []string{"POST /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: ", "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n[", "GET /events HTTP/1.1\r\nHost: a\r\nX-Slow: "}[i%3]
		start := time.Now()
		io.WriteString(c, text)
		stop := make(chan struct{})
		slow.Go(func() { // a byte now and then
			for {
				select {
				case <-stop:
					return
				case <-time.After(limit / 5):
					_, _ = c.Write([]byte{' '})
				}
			}
		})
		slow.Go(func() {
			defer close(stop)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 408 {
				t.Errorf("a slow request = %v, %v; want 408", resp, err)
				return
			}
			times(time.Since(start))
		})
	}
	slow.Wait()
	l.stop()
	if l.refused.Load() != 0 {
		t.Errorf("%d of %d events of others refused; want none", l.refused.Load(), l.accepted.Load())
	}
	testkit.Measured(t, "%d requests of a byte each %v got 408 after %.1f to %.1f s (limit %v); of %d other POSTs 0 refused, p99 %v",
		n, limit/5, least.Seconds(), most.Seconds(), limit, l.accepted.Load(), l.p99())
}

func TestFault7DeclaredBodies(t *testing.T) {
	limit := testkit.Sized(10*time.Second, 2*time.Second)
	p := program.Start(t, "-read-timeout", limit.String(), "-max-connections", "5000", "-max-consumers", "100", "-max-sockets", "100")
	n := testkit.Sized(4000, 400)
	l := play(t, p.Addrs[0], 4, 200, 600)
	testkit.Eventually(t, "events flow", func() bool { return l.accepted.Load() > 10 })
	before, _ := resident(t, p)
	var slow sync.WaitGroup
	stop := make(chan struct{})
	for range n {
		c, err := net.Dial("tcp", p.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n[", 256<<10)
		slow.Go(func() {
			defer c.Close()
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					if _, err := c.Write([]byte{' '}); err != nil {
						return
					}
				}
			}
		})
	}
	testkit.Eventually(t, "all are cut", func() bool { return p.Metric(`dispatcher_requests_rejected_total{reason="timeout"}`) >= float64(n) })
	_, peak := resident(t, p)
	close(stop)
	slow.Wait()
	ended := time.Now()
	testkit.Eventually(t, "the budget is paid back", func() bool {
		return p.Metric("dispatcher_bodies_bytes") == 0 && p.Metric("dispatcher_connections") < 20
	})
	back := time.Since(ended)
	l.stop()
	var now int64
	testkit.Eventually(t, "memory is given back", func() bool { now, _ = resident(t, p); return now <= before+32<<20 })
	given := time.Since(ended)
	// The budget of bodies, a connection's own 24 KiB, and what the collector leaves.
	if most := before + 32<<20 + int64(n)*24<<10 + 64<<20; peak > most || l.refused.Load() != 0 {
		t.Errorf("%d MiB at most, %d events refused; want %d MiB, 0", peak>>20, l.refused.Load(), most>>20)
	}
	testkit.Measured(t, "%d bodies declared as 256 KiB at 1 byte/s: memory %d MiB before, %d at most, %d within %.0f s after the last; budget free after %.1f s; of %d other POSTs 0 refused",
		n, before>>20, peak>>20, now>>20, given.Seconds(), back.Seconds(), l.accepted.Load())
}

func TestFault8FloodOfConsumers(t *testing.T) {
	most, each1 := testkit.Sized(4000, 200), testkit.Sized(100, 20)
	p := program.Start(t, "-max-consumers", fmt.Sprint(most), "-client-connections", fmt.Sprint(each1))
	control := crowd(t, p.Addrs[0], 5, "", newPace(0), from("127.0.0.2"))
	l := play(t, p.Addrs[0], 4, 200, 600)
	testkit.Eventually(t, "events flow", func() bool { return control[4].received.Load() > 50 })
	before := l.p99()
	flood := func(n int, address func(i int) string) (open, refused int) {
		var mu sync.Mutex
		each(n, func(i int) {
			c, err := from(address(i))(p.Addrs[0])
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
			status, err := bufio.NewReader(c).ReadString('\n')
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && strings.Contains(status, " 200 "):
				open++
			case err == nil && (strings.Contains(status, " 429 ") || strings.Contains(status, " 503 ")):
				refused++
			default:
				t.Errorf("a stream of the flood = %q, %v; want an answer", status, err)
			}
		})
		return open, refused
	}
	one, no := flood(3*each1, func(int) string { return "127.0.0.3" })
	if one != each1 || no != 2*each1 {
		t.Errorf("from one address %d open, %d refused; want %d, %d", one, no, each1, 2*each1)
	}
	many, full := flood(2*most, func(i int) string { return fmt.Sprintf("127.1.%d.%d", i/200, 1+i%200) })
	if want := most - each1 - len(control); many != want || full != 2*most-want {
		t.Errorf("from many addresses %d open, %d refused; want %d, %d", many, full, want, 2*most-want)
	}
	during := l.p99()
	l.stop()
	wantBooks(t, control, l.accepted.Load())
	if l.refused.Load() != 0 {
		t.Errorf("%d events refused; want none", l.refused.Load())
	}
	testkit.Measured(t, "one address: %d of %d open; many: %d of %d, all others 429 or 503; control skips 0; POST p99 %v before, %v meanwhile",
		one, 3*each1, many, 2*most, before, during)
}

func TestFault9OutOfDescriptors(t *testing.T) {
	const limit = 512
	cmd := program.Command(t, nil, "-port", "127.0.0.1:0", "-admin-addr", "127.0.0.1:0", "-max-connections", "8000", "-max-consumers", "8000")
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, limit), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	p := program.Run(t, cmd, 1)
	control := crowd(t, p.Addrs[0], 100, "", newPace(0), direct)
	l := play(t, p.Addrs[0], 2, 100, 500)
	testkit.Eventually(t, "events flow", func() bool { return control[99].received.Load() > 0 })

	var held []net.Conn
	for range 2 * limit {
		c, err := net.Dial("tcp", p.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	operators := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: testkit.Patience}
	ask := func(path string) string {
		resp, err := operators.Get("http://" + p.Admin + path)
		if err != nil {
			t.Errorf("GET %s while there are no descriptors: %v", path, err)
			return ""
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("GET %s while there are no descriptors = %d, %v; want 200", path, resp.StatusCode, err)
		}
		return string(text)
	}
	testkit.Eventually(t, "connections are refused", func() bool {
		return !strings.Contains(ask("/metrics"), `dispatcher_requests_rejected_total{reason="connections"} 0`) && descriptors(t, p) > limit-64
	})
	used, begun := cpu(t, p), time.Now()
	var slowest time.Duration
	for range 20 {
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			start := time.Now()
			ask(path)
			slowest = max(slowest, time.Since(start))
		}
		time.Sleep(100 * time.Millisecond)
	}
	share := float64(cpu(t, p)-used) / float64(time.Since(begun))
	if share > 0.5 {
		t.Errorf("it uses %.0f %% of a processor; want a fraction", 100*share)
	}
	open := descriptors(t, p)
	for _, c := range held {
		c.Close()
	}
	begun = time.Now()
	testkit.Eventually(t, "accepts go on", func() bool { status, _, err := p.Post("/metrics", "{}"); return err == nil && status == 200 })
	back := time.Since(begun)
	l.stop()
	if n := gone(control); n != 0 || l.refused.Load() != 0 {
		t.Errorf("%d streams ended, %d events on open connections refused; want none", n, l.refused.Load())
	}
	testkit.Measured(t, "%d connections at %d descriptors: %d in use; 60 of 60 probes and scrapes of operators answered within %v; %.0f %% of a processor; accepts again after %v; %d streams went on",
		len(held), limit, open, slowest.Round(time.Millisecond), 100*share, back.Round(time.Millisecond), len(control))
}
