package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"event-dispatcher/cmd/event_dispatcher/config"
	"event-dispatcher/internal/testkit"
)

func TestEventsTravelThroughTheProgram(t *testing.T) {
	t.Parallel()
	p := boot(t, 2)
	_, first := openStream(t, p.addrs[0])
	_, second := openStream(t, p.addrs[1])
	for i, addr := range p.addrs {
		body := fmt.Sprintf(`{"n":%d}`, i)
		if got := post(t, "http://"+addr+"/metrics", body); got != 200 {
			t.Errorf("POST to %s = %d; want 200", addr, got)
		}
		for _, br := range []io.Reader{first, second} {
			got := make([]byte, len("data: ")+len(body)+2)
			if _, err := io.ReadFull(br, got); err != nil || string(got) != "data: "+body+"\n\n" {
				t.Errorf("the stream = %q, %v; want %s", got, err, body)
			}
		}
		if status, _ := get(t, "http://"+addr+"/readyz"); status != 200 {
			t.Errorf("GET /readyz of %s = %d; want 200", addr, status)
		}
	}
	p.stop()
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
	for line := range strings.Lines(p.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("log line %q is not JSON", line)
		}
		if strings.Contains(line, `"n"`) {
			t.Errorf("log line %q quotes an event", line)
		}
	}
}

func TestOperatorsHaveAListenerOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := boot(t, 1, "-admin-addr", "127.0.0.1:0")
	for _, tt := range []struct {
		path          string
		public, admin int
	}{
		{"/metrics", 405, 200}, {"/readyz", 404, 200}, {"/livez", 404, 200}, {"/health", 200, 200},
		{"/consumers", 404, 200}, {"/debug/pprof/", 404, 200}, {"/debug/pprof/goroutine", 404, 200},
	} {
		if got, _ := get(t, p.url(tt.path)); got != tt.public {
			t.Errorf("GET %s in public = %d; want %d", tt.path, got, tt.public)
		}
		if got, _ := get(t, "http://"+p.admin+tt.path); got != tt.admin {
			t.Errorf("GET %s for operators = %d; want %d", tt.path, got, tt.admin)
		}
	}
	p.stop()
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
	without := boot(t, 1)
	for path, want := range map[string]int{"/metrics": 200, "/readyz": 200, "/debug/pprof/": 404, "/consumers": 404} {
		if got, _ := get(t, without.url(path)); got != want {
			t.Errorf("GET %s without -admin-addr = %d; want %d", path, got, want)
		}
	}
	without.stop()
	without.end()
}

var farewell = regexp.MustCompile(`retry: \d+\n$`)

// Every event that was answered with 200 reaches every consumer, and every stream
// ends cleanly.
func TestDrainDeliversWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"-portable-loops=false", "-portable-loops"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			const consumers, players = 20, 4
			p := boot(t, 1, form, "-drain-window", "200ms")
			got := make([]string, consumers)
			var reading sync.WaitGroup
			for i := range consumers {
				_, br := openStream(t, p.addrs[0])
				reading.Go(func() {
					text, err := io.ReadAll(br)
					if err != nil {
						t.Errorf("stream %d ends with %v; want a clean end", i, err)
					}
					got[i] = string(text)
				})
			}
			var playing sync.WaitGroup
			accepted := make([]int, players)
			for i := range players {
				playing.Go(func() {
					player := http.Client{Transport: &http.Transport{}, Timeout: patience}
					defer player.CloseIdleConnections()
					for n := 0; ; n++ {
						resp, err := player.Post(p.url("/metrics"), "", strings.NewReader(fmt.Sprintf(`{"player":%d,"n":%d}`, i, n)))
						if err != nil {
							return
						}
						io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						if resp.StatusCode != 200 {
							return
						}
						accepted[i] = n + 1
						if n == 100 && i == 0 {
							p.stop()
						}
					}
				})
			}
			playing.Wait()
			reading.Wait()
			if err := p.end(); err != nil {
				t.Errorf("run() = %v; want nil", err)
			}
			for i, text := range got {
				for player, n := range accepted {
					for k := range n {
						if want := fmt.Sprintf("data: {\"player\":%d,\"n\":%d}\n\n", player, k); strings.Count(text, want) != 1 {
							t.Fatalf("stream %d has %q %d times; want once: it was accepted", i, want, strings.Count(text, want))
						}
					}
				}
				if !farewell.MatchString(text) {
					t.Errorf("stream %d ends with %q; want a retry line", i, text[max(0, len(text)-40):])
				}
			}
		})
	}
}

func TestDrainSilenceIsSilent(t *testing.T) {
	t.Parallel()
	const silence, attempts = time.Second, 5
	for attempt := 1; ; attempt++ {
		longest, after := drainSilently(t, silence)
		if longest >= silence*9/10 && regexp.MustCompile(`^retry: \d+\n$`).MatchString(after) {
			return
		}
		// A machine that stops for a while hides the silence.
		if attempt == attempts {
			t.Fatalf("after a pause of %v the stream carries %q; want one of %v and then retry only", longest, after, silence)
		}
	}
}

// drainSilently returns the longest pause of a stream until its end, and what
// came after it.
func drainSilently(t *testing.T, silence time.Duration) (longest time.Duration, after string) {
	p := boot(t, 1, "-keep-alive", "20ms", "-drain-silence", silence.String())
	_, br := openStream(t, p.addrs[0])
	if line, err := br.ReadString('\n'); line != ":\n" {
		t.Fatalf("before the drain the stream carries %q, %v; want keep-alives", line, err)
	}
	p.stop()
	for last := time.Now(); ; last = time.Now() {
		line, err := br.ReadString('\n')
		if pause := time.Since(last); pause > longest {
			longest, after = pause, ""
		}
		after += line
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the stream ends with %v; want a clean end", err)
		}
	}
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
	return longest, after
}

func TestReadinessEndsBeforeTheStreams(t *testing.T) {
	t.Parallel()
	p := boot(t, 1, "-admin-addr", "127.0.0.1:0", "-drain-silence", "1s")
	_, br := openStream(t, p.addrs[0])
	p.stop()
	testkit.Eventually(t, "the program is not ready", func() bool {
		status, body := get(t, "http://"+p.admin+"/readyz")
		return status == 503 && strings.Contains(body, "draining")
	})
	if _, err := io.ReadAll(br); err != nil {
		t.Errorf("the stream ends with %v; want a clean end", err)
	}
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
}

func TestDrainFollowsTheLead(t *testing.T) {
	t.Parallel()
	p := boot(t, 1, "-drain-lead", "100ms")
	_, br := openStream(t, p.addrs[0])
	p.stop()
	if text, err := io.ReadAll(br); err != nil || !farewell.Match(text) {
		t.Errorf("the stream ends with %q, %v; want a retry line and a clean end", text, err)
	}
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
}

func TestFlagsInVainAreWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = `"flags ignored: they need -redis","flags":["-redis-channel"]`
	p := boot(t, 1, "-redis-channel", "a")
	if text := p.stderr.String(); strings.Count(text, warning) != 1 {
		t.Errorf("the log is\n%s; want %s once", text, warning)
	}
	p.stop()
	p.end()
}

func TestFailedListenIsAnError(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, args := range [][]string{
		{"-port", ln.Addr().String()},
		{"-port", "127.0.0.1:0," + ln.Addr().String()},
		{"-port", "127.0.0.1:0", "-admin-addr", ln.Addr().String()},
		{"-port", "192.0.2.1:0"},
	} {
		err := run(t.Context(), args, io.Discard)
		if err == nil || errors.Is(err, config.ErrUsage) || !strings.Contains(err.Error(), "listen") {
			t.Errorf("run(%q) = %v; want an error of listen, not of usage", args, err)
		}
	}
}

func TestBadConfigurationIsRefusedBeforeListening(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-nonsense"},
		{"-max-body", "0"},
		{"-ring-bytes", "1000"},
		{"-max-body", "1000000000"},
		{"-shards", "64"},
	} {
		if err := run(t.Context(), append(args, "-port", "192.0.2.1:0"), io.Discard); !errors.Is(err, config.ErrUsage) {
			t.Errorf("run(%q) = %v; want %v", args, err, config.ErrUsage)
		}
	}
}

// Not parallel: it counts goroutines. The signal may come at any moment.
func TestNothingIsLeftWhenRunReturns(t *testing.T) {
	before := append([]goleak.Option{goleak.IgnoreCurrent()}, ignored...)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		ended := make(chan error, 1)
		go func() { ended <- run(done, []string{"-port", "127.0.0.1:0", "-admin-addr", "127.0.0.1:0"}, io.Discard) }()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("run() with a context that is done = %v; want nil", err)
			}
		case <-time.After(patience):
			t.Fatalf("run() with a context that is done has not returned after %v", patience)
		}
	}
	p := boot(t, 2, "-admin-addr", "127.0.0.1:0")
	var conns []net.Conn
	for _, text := range []string{
		"", // a connection without a request
		"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{", // one that is slow
		"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",                          // one that is idle
		"GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		c, err := net.Dial("tcp", p.addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		conns = append(conns, c)
	}
	testkit.Eventually(t, "the stream is open", func() bool {
		_, body := get(t, "http://"+p.admin+"/consumers")
		return strings.Contains(body, `"id"`)
	})
	p.stop()
	if err := p.end(); err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
	for _, c := range conns {
		c.Close()
	}
	if err := goleak.Find(before...); err != nil {
		t.Errorf("after run() returned: %v", err)
	}
}

func TestProbeTellsReadyFromNot(t *testing.T) {
	t.Parallel()
	p := boot(t, 1)
	if err := run(t.Context(), []string{"-healthcheck", "-port", p.addrs[0]}, io.Discard); err != nil {
		t.Errorf("run(-healthcheck) beside a running program = %v; want nil", err)
	}
	p.stop()
	p.end()
	if err := run(t.Context(), []string{"-healthcheck", "-port", p.addrs[0]}, io.Discard); err == nil || errors.Is(err, config.ErrUsage) {
		t.Errorf("run(-healthcheck) without a program = %v; want an error, not of usage", err)
	}
}
