// Package testkit is what tests of several packages need: to wait for what must
// happen, to read what a process writes, and to say loudly what is not run.
package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for what must happen. No test says how fast
// anything is: that is for the benchmark.
const Patience = 90 * time.Second

// Eventually waits until ok reports true, and ends the test if it never does.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not so after %v: %s", Patience, what)
		}
	}
}

// Complete reports whether nothing may be left out, as in CI and "make test": what
// a test needs and does not find is then a failure.
func Complete() bool { return os.Getenv("CI") != "" }

// Missing is those of the commands that are not installed.
func Missing(commands ...string) (missing []string) {
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, command)
		}
	}
	return missing
}

// Need ends the test if a command that it runs is not installed: the test is
// skipped, and fails where it must not be.
func Need(tb testing.TB, commands ...string) {
	tb.Helper()
	if missing := Missing(commands...); len(missing) > 0 {
		NotRun(tb, "needs "+strings.Join(missing, ", ")+" ('make needs' installs it)")
	}
}

// Daemon is the path of a program that a system keeps with its daemons, in sbin, which
// a bare PATH lacks. Without it the test ends as by [Need].
func Daemon(tb testing.TB, name string) string {
	tb.Helper()
	for _, candidate := range []string{name, "/usr/local/sbin/" + name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	Need(tb, name)
	return ""
}

// NotRun skips the test, or fails it where nothing may be left out.
func NotRun(tb testing.TB, why string) {
	tb.Helper()
	end := tb.Skip
	if Complete() {
		end = tb.Fatal
	}
	end("NOT RUN: " + why)
}

// FreeAddr is a loopback address where nobody listens. Its port is below those that
// systems choose by themselves for connections and listeners, so that none of them takes
// it before the caller does.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	const first, ports = 10_000, 20_000
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	tb.Fatal("no port is free")
	return ""
}

// Reset closes a TCP connection with RST, as a peer does that has crashed.
func Reset(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return conn.Close()
}

// An Output is what a process writes. It can be read meanwhile.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String is all so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Decode is every whole line that is JSON of that form.
func Decode[T any](o *Output) (all []T) {
	for line := range strings.Lines(o.String()) {
		var v T
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &v) == nil {
			all = append(all, v)
		}
	}
	return all
}

// Addresses are those of the entries of a program's log that have this message.
func (o *Output) Addresses(message string) (addrs []string) {
	for _, entry := range Decode[struct{ Msg, Address string }](o) {
		if entry.Msg == message {
			addrs = append(addrs, entry.Address)
		}
	}
	return addrs
}

// Full reports whether faults are to be injected at full size and length, as in "make
// faults". Elsewhere tests inject a smaller one of the same kind.
func Full() bool { return os.Getenv("FAULTS") == "full" }

// Sized is how much of something a test takes: in full, or otherwise.
func Sized[T any](full, otherwise T) T {
	if Full() {
		return full
	}
	return otherwise
}

// Measured has "make faults" show a figure in its table.
func Measured(tb testing.TB, format string, args ...any) {
	tb.Helper()
	tb.Logf("measured: "+format, args...)
}
