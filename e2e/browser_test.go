//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// browse opens a page in Chromium; do is run in it.
func browse(t testing.TB, page string, flags ...chromedp.ExecAllocatorOption) (do func(script string, result any)) {
	t.Helper()
	options := append(append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox), flags...)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	timed, end := context.WithTimeout(ctx, patience)
	t.Cleanup(func() { end(); cancel(); stop() })
	if _, err := chromedp.Run(timed, chromedp.Navigate(page)); err != nil {
		t.Fatalf("Chromium at %s: %v", page, err)
	}
	return func(script string, result any) {
		t.Helper()
		value, err := chromedp.Run(timed, chromedp.Evaluate[[]byte](script))
		if err == nil && result != nil {
			err = json.Unmarshal(value, result)
		}
		if err != nil {
			t.Fatalf("in Chromium: %.60s: %v", script, err)
		}
	}
}

// open has the page collect what comes over a WebSocket.
func open(t testing.TB, do func(string, any), url string) {
	t.Helper()
	do(fmt.Sprintf(`got = []; state = "opening"; socket = new WebSocket(%q);
		socket.onopen = () => state = "open"; socket.onerror = () => state = "error";
		socket.onclose = e => state = "closed " + e.code; socket.onmessage = e => got.push(e.data); 0`, url), nil)
}

func TestBrowserShowsWhatAnotherInstanceAccepted(t *testing.T) {
	t.Parallel()
	a, b := startPair(t)
	do := browse(t, "http://"+b+"/health")
	open(t, do, "ws://"+b+"/ws/myPracticeId/bob")
	var state string
	eventually(t, "the socket opens", func() bool { do("state", &state); return state == "open" })
	var got []string
	id := submit(t, a)
	eventually(t, "the event arrives", func() bool { do("got", &got); return len(got) == 1 })
	wantSample(t, got[0], id)

	open(t, do, "ws://"+b+"/event-dispatcher")
	eventually(t, "the socket opens", func() bool { do("state", &state); return state == "open" })
	hears(t, b)
	resp, err := http.Post("http://"+a+"/metrics", "text/plain", nil)
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("POST of nothing = %v, %v; want 400", resp, err)
	}
	do(fmt.Sprintf(`fetch("http://%s/metrics", {method: "POST", body: '{"from":"the page"}'}).then(r => posted = r.status); 0`, a), nil)
	eventually(t, "the event arrives", func() bool { do("got", &got); return len(got) == 1 && got[0] == `{"from":"the page"}` })
}

// The known client opens a new socket on every event.
func TestBrowserThatReconnectsOnEveryEventComesToRest(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	do := browse(t, "http://"+addr+"/health")
	do(fmt.Sprintf(`sockets = 0; got = []; connect = () => { sockets++; const s = new WebSocket("ws://%s/ws/p/alice");
		s.onopen = () => opened = sockets; s.onmessage = e => { got.push(e.data); s.close(); connect() } }; opened = 0; connect(); 0`, addr), nil)
	var opened int
	eventually(t, "the socket opens", func() bool { do("opened", &opened); return opened == 1 })
	resp, err := http.Post("http://"+addr+"/poc/submit_update_event", "application/json", strings.NewReader(`{"username":"alice","cardId":"c","practiceId":"p"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST = %v, %v; want 200", resp, err)
	}
	eventually(t, "it has reconnected", func() bool { do("opened", &opened); return opened == 2 })
	// A notification reaches it after all that could still be replayed.
	http.Post("http://"+addr+"/poc/submit_update_event", "application/json", strings.NewReader(`{"username":"x","cardId":"end","practiceId":"p","type":"DATA_NOTIFICATION_EVENT"}`))
	eventually(t, "it has reconnected again", func() bool { do("opened", &opened); return opened >= 3 })
	var got []string
	do("got", &got)
	if len(got) != 2 {
		t.Errorf("the page got %d events: %v; want 2, none twice", len(got), got)
	}
}

func TestPagesOfOtherOriginsOpenNoSessionSockets(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<p>elsewhere") }))
	defer elsewhere.Close()
	for _, tt := range []struct {
		args []string
		path string
		want string
	}{
		{nil, "/ws/p/alice", "closed 1006"},
		{[]string{"-socket-origins", elsewhere.URL}, "/ws/p/alice", "open"},
		{nil, "/event-dispatcher", "open"},
		{[]string{"-cors-origins", "https://friend.example"}, "/event-dispatcher", "closed 1006"},
	} {
		do := browse(t, elsewhere.URL)
		open(t, do, "ws://"+start(t, 1, tt.args...)[0]+tt.path)
		var state string
		eventually(t, "the socket opens or not", func() bool { do("state", &state); return state != "opening" && state != "error" })
		if state != tt.want {
			t.Errorf("%v %s from another origin: %s; want %s", tt.args, tt.path, state, tt.want)
		}
	}
}
