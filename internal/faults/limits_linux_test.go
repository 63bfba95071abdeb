package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// A group is a control group of its own with one limit.
type group struct {
	t   *testing.T
	dir string
}

// limited makes one: controller, and the file and value of its limit in the second and
// in the first version of the interface.
func limited(t *testing.T, controller string, second, first map[string]string) *group {
	t.Helper()
	name := fmt.Sprintf("fault-%s-%d", controller, os.Getpid())
	for _, v := range []struct {
		dir    string
		limits map[string]string
	}{
		{filepath.Join("/sys/fs/cgroup", name), second},
		{filepath.Join("/sys/fs/cgroup", controller, name), first},
	} {
		if os.Mkdir(v.dir, 0o755) != nil {
			continue
		}
		g := &group{t, v.dir}
		t.Cleanup(func() { _ = os.Remove(v.dir) }) // its process has ended
		ok := true
		for file, value := range v.limits {
			// Where the controller is another version's, there is no such file.
			if f, err := os.OpenFile(filepath.Join(v.dir, file), os.O_WRONLY, 0); err != nil {
				ok = false
			} else if _, err = f.WriteString(value); err != nil || f.Close() != nil {
				ok = false
			}
		}
		if ok {
			return g
		}
	}
	testkit.NotRun(t, "makes a control group with a limit of "+controller+", as root")
	return nil
}

// start runs the program in the group.
func (g *group) start(args ...string) *program.Program {
	g.t.Helper()
	cmd := program.Command(g.t, nil, append([]string{"-port", "127.0.0.1:0"}, args...)...)
	script := fmt.Sprintf(`echo $$ >%s/cgroup.procs && exec "$0" "$@"`, g.dir)
	cmd.Args = append([]string{"sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return program.Run(g.t, cmd, 1)
}

// peak is the most memory that the group had, in MiB; 0 if the system does not say.
func (g *group) peak() (mib int64) {
	for _, file := range []string{"memory.peak", "memory.max_usage_in_bytes"} {
		if text, err := os.ReadFile(filepath.Join(g.dir, file)); err == nil {
			_, _ = fmt.Sscan(string(text), &mib)
			return mib >> 20
		}
	}
	return 0
}

func TestFault19MemoryLimit(t *testing.T) {
	const limit = "268435456"
	g := limited(t, "memory", map[string]string{"memory.max": limit}, map[string]string{"memory.limit_in_bytes": limit})
	most := testkit.Sized(8000, 300)
	p := g.start("-max-consumers", fmt.Sprint(most), "-max-connections", "2000", "-max-sockets", "100", "-stall-timeout", "5s")
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	pace := newPace(0)
	crowd(t, p.Addrs[0], most-len(control), "", pace, direct)
	pace.set(true)
	// The largest events, for as long as it takes to go over the window some times.
	const size = 256 << 10
	l := play(t, p.Addrs[0], 4, testkit.Sized(40, 20), size)
	from := time.Now()
	testkit.Eventually(t, "the window has gone over them", func() bool {
		return p.HasEnded() || l.accepted.Load()+l.refused.Load() > testkit.Sized[int64](1200, 60)
	})
	if p.HasEnded() {
		t.Fatalf("the program ended with %v after %v; want it to live", p.Cmd.ProcessState, time.Since(from))
	}
	l.stop()
	ended := time.Now()
	testkit.Eventually(t, "who stopped reading is cut", func() bool { return p.Sum("dispatcher_consumers", "wire=") == float64(len(control)) })
	published := l.accepted.Load()
	_, skipped := wantBooks(t, control, published)
	again := crowd(t, p.Addrs[0], 100, "", newPace(0), direct)
	status, _, err := p.Post("/metrics", `{"player":9,"n":1,"pad":""}`)
	if status != 200 {
		t.Errorf("POST after the load = %d, %v; want 200", status, err)
	}
	wantBooks(t, again, 1)
	back := time.Since(ended)
	testkit.Measured(t, "%d consumers, %d events of 256 KiB, %d refused; %d MiB at most of 256, not killed; streams cut by reason %s; control skipped %d; full service %.1f s after the load",
		most, published, l.refused.Load(), g.peak(), reasons(p), skipped, back.Seconds())
}

// reasons are those for which streams were closed, with their numbers.
func reasons(p *program.Program) string {
	var list []string
	_, text := p.Get("/metrics")
	for line := range strings.Lines(text) {
		if label, ok := strings.CutPrefix(line, `dispatcher_consumers_closed_total{reason="`); ok && !strings.HasSuffix(line, " 0\n") {
			list = append(list, strings.TrimSpace(strings.Replace(label, `"}`, "", 1)))
		}
	}
	return strings.Join(list, ", ")
}

func TestFault20CPUQuota(t *testing.T) {
	g := limited(t, "cpu", map[string]string{"cpu.max": "20000 100000"}, map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "20000"})
	p := g.start()
	all := crowd(t, p.Addrs[0], testkit.Sized(200, 50), "?ids=1", newPace(0), direct)
	l := play(t, p.Addrs[0], 4, testkit.Sized(2000, 500), 600)
	time.Sleep(testkit.Sized(30*time.Second, 2*time.Second))
	l.stop()
	received, skipped := wantBooks(t, all, l.accepted.Load())
	wantCalm(t, p, all, l)
	testkit.Measured(t, "a fifth of a processor: %d events taken, POST p99 %v, %d delivered and %d skipped, %d streams stayed",
		l.accepted.Load(), l.p99(), received, skipped, len(all))
}

func TestFault20ProcessStops(t *testing.T) {
	p := program.Start(t, "-stall-timeout", "3s", "-keep-alive", "1s")
	all := crowd(t, p.Addrs[0], testkit.Sized(1000, 50), "?ids=1", newPace(0), direct)
	crowdOfNone := crowd(t, p.Addrs[0], testkit.Sized(500, 20), "?where=player=0", newPace(0), direct)
	l := play(t, p.Addrs[0], 4, 200, 600)
	testkit.Eventually(t, "events flow", func() bool { return all[0].received.Load() > 50 })
	stop := testkit.Sized(5*time.Second, 4*time.Second) // longer than the stall limit
	_ = p.Cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(stop)
	_ = p.Cmd.Process.Signal(syscall.SIGCONT)
	before := l.accepted.Load()
	testkit.Eventually(t, "events flow again", func() bool { return l.accepted.Load() > before+50 })
	if status, body := p.Get("/readyz"); status != 200 {
		t.Errorf("GET /readyz = %d %s; want 200", status, body)
	}
	l.stop()
	_, skipped := wantBooks(t, all, l.accepted.Load())
	wantCalm(t, p, append(all, crowdOfNone...), l)
	testkit.Measured(t, "stopped for %v: %d streams stayed, %d events skipped, 0 of %d POSTs refused", stop, len(all)+len(crowdOfNone), skipped, l.accepted.Load())
}

// wantCalm holds the program to have cut nobody and refused nothing, and to tell of no
// latency that cannot be.
func wantCalm(t *testing.T, p *program.Program, all []*consumer, l *load) {
	t.Helper()
	if n := gone(all); n != 0 || l.refused.Load() != 0 {
		t.Errorf("%d streams ended, %d events refused; want none", n, l.refused.Load())
	}
	sum, count := p.Metric("dispatcher_delivery_latency_seconds_sum"), p.Metric("dispatcher_delivery_latency_seconds_count")
	if sum < 0 || count == 0 || sum/count > 1800 {
		t.Errorf("latencies add up to %v s for %v events; want what can be", sum, count)
	}
	if age := p.Metric("dispatcher_ring_oldest_event_age_seconds"); age < 0 || age > 1800 {
		t.Errorf("the oldest event is %v s old; want what can be", age)
	}
}
