package idle

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/process"
	"event-dispatcher/bench/load/sock"
)

// bin is where TestMain builds the product and a floor.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "idle")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		for where, what := range map[string]string{"../../..": "./cmd/event_dispatcher", ".": "../../floor/barehandler"} {
			cmd := exec.Command("go", "build", "-o", dir, what)
			cmd.Dir = where
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

func start(t *testing.T, program string, args ...string) (*process.Server, sock.Addr) {
	t.Helper()
	s, err := process.Start(context.Background(), bin+"/"+program, args)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s, sock.Addr{IP: [4]byte{127, 0, 0, 1}, Port: s.Port}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestSocketsAnswerPingsAndReadWhatComes(t *testing.T) {
	// Twice as long without an answer ends a socket; machines are slow at times.
	const ping = "5s"
	server, addr := start(t, "event_dispatcher", "-port", "127.0.0.1:{port}", "-socket-ping", ping, "-keep-alive", ping, "-drain-window", "0s")
	for _, tt := range []struct{ name, path, post, event string }{
		{"sessions", "/ws/practice/user{n}", "/poc/submit_update_event", `{"username":"somebody else","cardId":"c","data":"d","practiceId":"practice"}`},
		{"stream", "/event-dispatcher", "/metrics", `{"a":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const n = 100
			s, err := Open(t.Context(), Options{Target: addr, Path: tt.path, Sockets: n}, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			eventually(t, "a ping at every socket", func() bool { return s.Stats().Pings >= n })
			before := s.Stats().Messages
			resp, err := http.Post("http://"+server.Address()+tt.post, "application/json", strings.NewReader(tt.event))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("post: %v, %+v", err, resp)
			}
			resp.Body.Close()
			eventually(t, "the event at every socket", func() bool { return s.Stats().Messages-before == n })
			if ended := s.Stats(); ended.Ended != 0 {
				t.Errorf("%d sockets ended: %s", ended.Ended, ended.Reason)
			}
		})
	}
}

func TestSocketsThatTheServerEndsAreCounted(t *testing.T) {
	server, addr := start(t, "event_dispatcher", "-port", "127.0.0.1:{port}", "-drain-window", "0s")
	s, err := Open(t.Context(), Options{Target: addr, Path: "/ws/practice/user{n}", Sockets: 10}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	server.Stop()
	eventually(t, "the end of all", func() bool { return s.Stats().Ended == 10 })
	if reason := s.Stats().Reason; !strings.Contains(reason, "StatusGoingAway") {
		t.Errorf("they ended with %q, want the close code of a shutdown", reason)
	}
}

func TestWhatIsNoWebSocketIsRefused(t *testing.T) {
	_, addr := start(t, "barehandler", "-port", "{port}")
	if _, err := Open(t.Context(), Options{Target: addr, Path: "/", Sockets: 3}, time.Minute); err == nil || !strings.Contains(err.Error(), "of 3:") {
		t.Errorf("error is %v", err)
	}
	if _, err := Open(t.Context(), Options{Target: sock.Addr{IP: [4]byte{127, 0, 0, 1}, Port: 1}, Path: "/", Sockets: 3}, time.Minute); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error is %v", err)
	}
}
