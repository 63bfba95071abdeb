package faults

import (
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// A clock is the wall clock of a program that was built for it: of all that runs on the
// machine it alone sees the jump.
type clock struct {
	t       *testing.T
	program *program.Program
	address uint64 // of the seconds that the program's runtime adds
}

// jump sets the wall clock that far ahead of the true time, or behind it.
func (c *clock) jump(by time.Duration) {
	c.t.Helper()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.program.Cmd.Process.Pid), os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer memory.Close()
	seconds := binary.NativeEndian.AppendUint64(nil, uint64(int64(by/time.Second)))
	if _, err := memory.WriteAt(seconds, int64(c.address)); err != nil {
		c.t.Fatal(err)
	}
}

// ownClock builds the program with a runtime whose wall clock can be moved, and starts it.
func ownClock(t *testing.T, args ...string) (*program.Program, *clock) {
	t.Helper()
	testkit.Need(t, "go")
	dir := t.TempDir()
	path := filepath.Join(dir, "event_dispatcher")
	build := exec.Command("go", "build", "-buildmode=exe", "-overlay", movableClock(t, dir), "-o", path, "event-dispatcher/cmd/event_dispatcher")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: t}
	for _, s := range symbols {
		if s.Name == "runtime.wallShift" {
			c.address = s.Value
		}
	}
	if c.address == 0 {
		t.Fatal("the program has no clock that can be moved")
	}
	cmd := exec.Command(path, append([]string{"-port", "127.0.0.1:0"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	c.program = program.Run(t, cmd, 1)
	return c.program, c
}

// movableClock writes the changes to the runtime, as "go build -overlay" takes them.
func movableClock(t *testing.T, dir string) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "runtime")
	replace := map[string]string{}
	change := func(file string, pairs ...string) {
		text, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			t.Fatal(err)
		}
		changed := string(text)
		for i := 0; i < len(pairs); i += 2 {
			if strings.Count(changed, pairs[i]) != 1 {
				t.Fatalf("%s of %s has not %q once: this test knows another runtime", file, runtime.Version(), pairs[i])
			}
			changed = strings.Replace(changed, pairs[i], pairs[i+1], 1)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(source, file)] = path
	}
	const shift = "\nvar wallShift int64 // seconds\n"
	if runtime.GOARCH == "amd64" {
		change("time_linux_amd64.s", "TEXT time·now<ABIInternal>(SB)", "TEXT ·trueNow<ABIInternal>(SB)")
		change("timeasm.go", "func time_now() (sec int64, nsec int32, mono int64)", `func time_now() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = trueNow()
	return sec + wallShift, nsec, mono
}

func trueNow() (sec int64, nsec int32, mono int64)
`+shift)
	} else {
		change("timestub.go", "return sec, nsec, nanotime()\n}", "return sec + wallShift, nsec, nanotime()\n}\n"+shift)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFault20WallClockJumps(t *testing.T) {
	if !testkit.Full() && !testkit.Complete() {
		t.Skip("NOT RUN: builds the program and the runtime anew, which takes minutes; CI=1 does")
	}
	p, c := ownClock(t, "-keep-alive", "1s", "-stall-timeout", "3s")
	all := crowd(t, p.Addrs[0], testkit.Sized(1000, 50), "?ids=1", newPace(0), direct)
	quiet := crowd(t, p.Addrs[0], testkit.Sized(500, 20), "?where=player=0", newPace(0), direct)
	l := play(t, p.Addrs[0], 4, 200, 600)
	testkit.Eventually(t, "events flow", func() bool { return all[0].received.Load() > 50 })
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
		c.jump(by)
		// As the program sees it.
		var health struct{ Timestamp int64 }
		_, body := p.Get("/health")
		if err := json.Unmarshal([]byte(body), &health); err != nil {
			t.Fatal(err)
		}
		if off := time.Until(time.UnixMilli(health.Timestamp)) - by; off.Abs() > 10*time.Minute {
			t.Fatalf("the program's clock is %v from what it was set to; want it to have jumped", off)
		}
		before := l.accepted.Load()
		for l.accepted.Load() < before+100 {
			for _, path := range []string{"/livez", "/readyz", "/health"} {
				if status, body := p.Get(path); status != 200 {
					t.Errorf("clock %v off: GET %s = %d %s; want 200", by, path, status, body)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	time.Sleep(testkit.Sized(5*time.Second, 0))
	l.stop()
	_, skipped := wantBooks(t, all, l.accepted.Load())
	wantCalm(t, p, append(all, quiet...), l)
	testkit.Measured(t, "the wall clock 1 h ahead, 1 h behind, and right again: %d streams stayed, %d events skipped, ids in order, 0 of %d POSTs refused, ready all the time",
		len(all)+len(quiet), skipped, l.accepted.Load())
}
