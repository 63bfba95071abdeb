//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// What client.mjs says.
type happening struct{ Kind, Data string }

func texts(l *lines) (all []string) {
	for _, h := range each[happening](l) {
		if h.Kind == "text" {
			all = append(all, h.Data)
		}
	}
	return all
}

func dialWithNode(t testing.TB, url string) *lines {
	t.Helper()
	var out lines
	run(t, &out, &out, "node", "client.mjs", url)
	eventually(t, "npm ws has connected", func() bool { return len(each[happening](&out)) > 0 })
	if first := each[happening](&out)[0]; first.Kind != "open" {
		t.Fatalf("npm ws = %+v; want open", first)
	}
	return &out
}

func TestNodeScreensOfTwoInstancesShareState(t *testing.T) {
	t.Parallel()
	a, b := startPair(t)
	near, far := dialWithNode(t, "ws://"+a+"/ws/myPracticeId/alice"), dialWithNode(t, "ws://"+b+"/ws/MyPracticeID/bob")
	eventually(t, "both are active", func() bool {
		return strings.Contains(get(t, a, "/metrics"), "\ndispatcher_session_active_users 1\n") &&
			strings.Contains(get(t, b, "/metrics"), "\ndispatcher_session_active_users 1\n")
	})
	id := submit(t, a)
	for _, out := range []*lines{near, far} {
		eventually(t, "the event arrives", func() bool { return len(texts(out)) == 1 })
		wantSample(t, texts(out)[0], id)
	}
	late := dialWithNode(t, "ws://"+b+"/ws/myPracticeId/carol")
	eventually(t, "the replay arrives", func() bool { return len(texts(late)) == 1 })
	wantSample(t, texts(late)[0], id)
	for _, addr := range []string{a, b} {
		var latest map[string]json.RawMessage
		if err := json.Unmarshal([]byte(get(t, addr, "/poc/replay_event_data/alice")), &latest); err != nil {
			t.Fatal(err)
		}
		wantSample(t, string(latest["lastUpdateEvent"]), id)
	}
}

func TestNodeReadsTheFirehose(t *testing.T) {
	t.Parallel()
	a, b := startPair(t)
	far := dialWithNode(t, "ws://"+b+"/event-dispatcher")
	hears(t, b)
	for range 100 {
		resp, err := http.Post("http://"+a+"/metrics", "text/plain;charset=UTF-8", strings.NewReader(`{"text":"`+strings.Repeat("ü", 200)+`"}`))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("POST = %v, %v; want 200", resp, err)
		}
		resp.Body.Close()
	}
	eventually(t, "all events arrive", func() bool { return len(texts(far)) == 100 })
}

// Of two members with one name JavaScript keeps the last, which is ours.
func TestNodeFindsTheAddressBehindOneInTheBody(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	consumer := dialWithNode(t, "ws://"+addr+"/events")
	resp, err := http.Post("http://"+addr+"/api/events", "", strings.NewReader(`{"user_ip":"6.6.6.6"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST = %v, %v; want 200", resp, err)
	}
	resp.Body.Close()
	eventually(t, "the event arrives", func() bool { return len(texts(consumer)) == 1 })
	out, err := exec.Command("node", "-p", "JSON.parse(process.argv[1]).user_ip", texts(consumer)[0]).Output()
	if err != nil || string(out) != "127.0.0.1\n" {
		t.Errorf("node finds %q, %v in %s; want the client's address", out, err, texts(consumer)[0])
	}
}

// Both ports serve everything, as with -port :3569,:8123.
func TestCurlUsesEitherPort(t *testing.T) {
	t.Parallel()
	addrs := start(t, 2)
	id := submit(t, addrs[1])
	for _, addr := range addrs {
		out, err := exec.Command("curl", "-sS", "-f", "http://"+addr+"/poc/replay_event_data/alice").Output()
		if err != nil || !strings.Contains(string(out), id) {
			t.Errorf("curl = %s, %v; want the event %s", out, err, id)
		}
	}
}

func TestNodeIsToldOfTheShutdown(t *testing.T) {
	t.Parallel()
	var log lines
	cmd := run(t, nil, &log, binary, "-port", "127.0.0.1:0", "-drain-window", "100ms")
	var addr string
	eventually(t, "the program listens", func() bool {
		for _, entry := range each[struct{ Msg, Address string }](&log) {
			if entry.Msg == "listening" {
				addr = entry.Address
			}
		}
		return addr != ""
	})
	session, firehose := dialWithNode(t, "ws://"+addr+"/ws/p/u"), dialWithNode(t, "ws://"+addr+"/events")
	cmd.Process.Signal(syscall.SIGTERM)
	for _, out := range []*lines{session, firehose} {
		eventually(t, "close 1001", func() bool {
			all := each[happening](out)
			last := all[len(all)-1]
			if last.Kind == "close" && last.Data != "1001" || last.Kind == "error" {
				t.Fatalf("npm ws = %+v; want close 1001", last)
			}
			return last.Kind == "close"
		})
	}
}
