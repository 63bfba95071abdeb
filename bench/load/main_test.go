package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/process"
	"event-dispatcher/bench/load/report"
)

// servers is where TestMain builds the product and the programs of ../floor,
// which speak the dispatcher's protocol.
var servers string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "servers")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		servers = dir
		for where, what := range map[string]string{"../..": "./cmd/event_dispatcher", "..": "./floor/..."} {
			cmd := exec.Command("go", "build", "-o", dir+"/", what)
			cmd.Dir = where
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build servers: %v\n%s", err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

// start runs a server and returns its URL and process.
func start(t *testing.T, server string, args ...string) (string, *os.Process) {
	t.Helper()
	// Not one of the kernel's own choice: until the server listens there, a
	// connection could get that number and connect to itself.
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(filepath.Join(servers, server), append([]string{"-port", fmt.Sprint(port)}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return "http://" + addr, cmd.Process
		}
	}
	t.Fatalf("%s does not listen on %v", server, addr)
	return "", nil
}

// load runs the generator and returns its exit code, report and output.
func load(t *testing.T, ctx context.Context, url, args string) (int, report.Report, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	all := append([]string{"-quiet", "-url", url, "-json", file, "-warmup", "100ms", "-duration", "500ms"}, strings.Fields(args)...)
	code := run(ctx, all, &out, &out)
	var rep report.Report
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &rep); err != nil {
			t.Fatalf("report is not JSON: %v", err)
		}
	}
	return code, rep, out.String()
}

// surprising leaves out that the rate was not reached. That says how busy the
// machine is, and a busy machine must not fail a test of the accounts.
func surprising(errs []string) []string {
	return slices.DeleteFunc(slices.Clone(errs), func(e string) bool { return strings.HasPrefix(e, "the rate was not reached") })
}

func TestEveryDeliveryIsAccountedFor(t *testing.T) {
	for _, tt := range []struct {
		floor, args string
		check       func(r report.Report) bool
	}{
		{"writeloop", "-consumers 40 -rate 500 -sample 3", func(r report.Report) bool { return r.Ledger.Streams == 40 && r.Ledger.Skipped == 0 }},
		{"writeloop", "-consumers 3 -rate 500 -sample -1", func(r report.Report) bool { return r.Deliveries.Latency.Count > 0 }},
		{"writeloop -per-event", "-consumers 5 -rate max -pipeline 4 -conns 4", func(r report.Report) bool { return r.Posts.Accepted > 0 }},
		{"writeloop", "-consumers 5 -rate 300 -sessions", nil},
		{"writeloop", "-consumers 5 -rate 300 -per-event", nil},
		{"writeloop", "-consumers 5 -rate 500 -unload 0.2", func(r report.Report) bool { return r.Posts.Unknown > 0 }},
		{"writeloop", "-consumers 5 -rate 0", func(r report.Report) bool { return r.Posts == nil }},
		{"barehandler", "-consumers 0 -rate 500", func(r report.Report) bool { return r.Posts.Latency.Count > 0 }},
		{"nethub", "-consumers 10 -rate 300 -post /api/events", nil},
		{"chanhub -buffer 4", "-consumers 6 -stalled 2 -rate 400 -size 60000 -sample -1", func(r report.Report) bool { return r.Ledger.Skipped > 0 && r.Ledger.SkippedBy["stalling"] > 0 }},
		{"chanhub -buffer 4", "-consumers 6 -stalled 2 -stall-at-once -warmup 0s -rate 400 -size 60000 -sample -1", func(r report.Report) bool { return r.Ledger.SkippedBy["stalling"] > 0 }},
		{"event_dispatcher", "-consumers 0 -rate 0 -sockets 50", func(r report.Report) bool {
			return r.Sockets.Opened == 50 && r.Sockets.Ended == 0 && r.Memory.PerConsumer.Resident > 0
		}},
		{"event_dispatcher", "-consumers 2 -rate 300 -sockets 20 -socket-path /events", func(r report.Report) bool {
			return r.Sockets.Ended == 0 && r.Sockets.Messages > 0
		}},
		{"event_dispatcher", "-consumers 10 -wire ws -rate 300", nil},
		{"event_dispatcher", "-consumers 2 -rate 300 -varied 50 -crowd 2:sse:where=event_name=ERROR,STOP -crowd 2:ndjson:where=session_id={n} -crowd 2:sse:members=session_id,data.position -crowd 2:ws:where=data.platform=Web -crowd 1:sse:sample=0.5&by=session_id -crowd 2:sse:every=200ms&latest=session_id -crowd 2:ndjson:encoding=gzip -crowd 1:sse+stall: -crowd-stall 300ms", func(r report.Report) bool {
			return len(r.Crowd) == 8 && r.Crowd[0].Received > 0 && r.Crowd[0].PassedOver > r.Crowd[0].Received
		}},
		{"event_dispatcher", "-consumers 0 -rate 500 -varied 50 -crowd 10:sse+resume:ids=1 -crowd 5:sse+resume:ids=1&where=event_name=HEARTBEAT -crowd 5:sse+resume:ids=1&encoding=gzip -crowd 5:ndjson+resume:ids=1 -crowd 5:ws+resume:ids=1&where=event_name=HEARTBEAT -crowd-stay 200ms", func(r report.Report) bool {
			for _, a := range r.Crowd {
				if a.Returns == 0 || a.Received == 0 || a.Repeated+a.Doubled+a.Unexplained+a.Strangers+a.Disorder > 0 {
					return false
				}
			}
			return len(r.Crowd) == 5
		}},
		{"chanhub", "-consumers 6 -slow 2 -rate 400", nil},
		{"chanhub", "-consumers 6 -reconnect 2 -reconnect-every 100ms -rate 400", func(r report.Report) bool { return r.Deliveries.Returns > 0 && r.Ledger.Streams > 6 }},
	} {
		t.Run(tt.floor+" "+tt.args, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(tt.floor)
			url, server := start(t, words[0], words[1:]...)
			code, rep, out := load(t, context.Background(), url, fmt.Sprintf("%s -pid %d", tt.args, server.Pid))
			if l := rep.Ledger; l != nil && (l.Unexplained != 0 || l.Sent != l.Received+l.Skipped || l.Faults.Total() != 0) {
				t.Errorf("ledger %+v", *l)
			}
			if l := rep.Ledger; rep.Config == nil || rep.Partial || l != nil && l.Streams == 0 || code != 0 && len(surprising(rep.Errors)) > 0 || tt.check != nil && !tt.check(rep) {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

func TestFailuresAreToldAndPartialResultsKept(t *testing.T) {
	ctx := context.Background()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		code, _, out := load(t, ctx, "http://127.0.0.1:1", "-consumers 1")
		if code != exitFailed || !strings.Contains(out, "connection refused") {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("no dispatcher", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "barehandler")
		code, _, out := load(t, ctx, url, "-consumers 1")
		if code != exitFailed || !strings.Contains(out, "is not a dispatcher") {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("every event refused", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "nethub")
		code, rep, out := load(t, ctx, url, "-consumers 1 -post /wrong")
		if code != exitFailed || rep.Posts.Accepted != 0 || !strings.Contains(out, "404") {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("rate out of reach", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "barehandler")
		code, rep, out := load(t, ctx, url, "-consumers 0 -rate 5000000")
		if code != exitFailed || rep.Posts.Accepted == 0 || !strings.Contains(out, "rate was not reached") {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("server dies", func(t *testing.T) {
		t.Parallel()
		url, server := start(t, "writeloop")
		time.AfterFunc(time.Second, func() { server.Kill() })
		code, rep, out := load(t, ctx, url, "-consumers 10 -rate 300 -duration 20s")
		if code != exitFailed || !rep.Partial || rep.Posts.Accepted == 0 || rep.Ledger.Received == 0 {
			t.Errorf("exit code %d, partial %v\n%s", code, rep.Partial, out)
		}
	})
	t.Run("another instance that hears of nothing", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "writeloop")
		elsewhere, _ := start(t, "writeloop")
		code, rep, out := load(t, ctx, url, "-consumers 2 -rate 300 -listen "+elsewhere)
		if code != exitFailed || rep.Ledger.Unexplained != 2*rep.Posts.Accepted || rep.Posts.Accepted == 0 {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("no WebSockets", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "barehandler")
		code, _, out := load(t, ctx, url, "-consumers 0 -rate 0 -sockets 3")
		if code != exitFailed || !strings.Contains(out, "socket") {
			t.Errorf("exit code %d, want %d\n%s", code, exitFailed, out)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		url, _ := start(t, "writeloop")
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		code, rep, out := load(t, ctx, url, "-consumers 10 -rate 300 -duration 20s")
		if code != exitInterrupted || rep.Ledger.Received == 0 || rep.Ledger.Unexplained != 0 {
			t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, out)
		}
	})
	t.Run("usage", func(t *testing.T) {
		if code, _, out := load(t, ctx, "http://127.0.0.1:1", "-rate often"); code != exitUsage {
			t.Errorf("exit code %d, want %d\n%s", code, exitUsage, out)
		}
	})
}
