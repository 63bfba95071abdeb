//go:build unix

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A stream is a consumer of an instance's events.
type stream struct {
	mu     sync.Mutex
	events []string
}

// consume listens until the test ends.
func consume(t testing.TB, addr string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("GET /events = %v, %v; want 200", resp, err)
	}
	s := &stream{}
	var done sync.WaitGroup
	done.Go(func() {
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			if data, ok := strings.CutPrefix(scan.Text(), "data: "); ok {
				s.mu.Lock()
				s.events = append(s.events, data)
				s.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { cancel(); resp.Body.Close(); done.Wait() })
	return s
}

func (s *stream) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// elsewhere serves a page of another origin, and the files of dir below /files/.
func elsewhere(t testing.TB, dir string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><p>elsewhere")
	})
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(dir))))
	npm := http.StripPrefix("/npm/", http.FileServer(http.Dir("node_modules")))
	mux.HandleFunc("/npm/", func(w http.ResponseWriter, r *http.Request) {
		if path.Ext(r.URL.Path) == "" { // as bundlers have it
			r.URL.Path += ".js"
		}
		npm.ServeHTTP(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// What pages of another origin send arrives, without any flag: beacons, also those of
// JSON, which ask first, and fetches with credentials, also when the page goes.
func TestBeaconsOfOtherOriginsArrive(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	do := browse(t, elsewhere(t, "testdata"))
	do(fmt.Sprintf(`json = (v) => new Blob([JSON.stringify(v)], {type: "application/json"});
		url = "http://%s/api/events"; results = {};
		note = (name, promise) => promise.then(r => results[name] = r.status, e => results[name] = String(e));
		navigator.sendBeacon(url, JSON.stringify({n: "beacon of text"}));
		navigator.sendBeacon(url, json({n: "beacon of JSON"}));
		navigator.sendBeacon(url + "?batch=array", JSON.stringify([{n: "batch 1"}, {n: "batch 2"}]));
		note("fetch", fetch(url, {method: "POST", body: json({n: "fetch"}), credentials: "include", keepalive: true}));
		note("traced", fetch(url, {method: "POST", body: json({n: "traced"}), headers: {traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", baggage: "a=b", "sentry-trace": "x", "x-requested-with": "XMLHttpRequest"}}));
		note("invalid", fetch(url, {method: "POST", body: "{", credentials: "include"}));
		0`, addr), nil)
	var results map[string]any
	eventually(t, "the fetches are answered", func() bool { do("results", &results); return len(results) == 3 })
	if want := map[string]any{"fetch": 200.0, "traced": 200.0, "invalid": 400.0}; !reflect.DeepEqual(results, want) {
		t.Errorf("the fetches of the page end with %v; want %v", results, want)
	}
	// The page goes, and what it sends last arrives.
	do(`addEventListener("pagehide", () => {
		navigator.sendBeacon(url, json({n: "last beacon of JSON"}));
		navigator.sendBeacon(url, JSON.stringify({n: "last beacon of text"}));
		fetch(url, {method: "POST", body: json({n: "last fetch"}), credentials: "include", keepalive: true});
	}); location.href = "about:blank"; 0`, nil)
	for _, name := range []string{"beacon of text", "beacon of JSON", "batch 1", "batch 2", "fetch", "traced", "last beacon of JSON", "last beacon of text", "last fetch"} {
		eventually(t, "the event "+name+" arrives", func() bool {
			return slices.Contains(s.all(), fmt.Sprintf(`{"n":%q,"user_ip":"127.0.0.1"}`, name))
		})
	}
}

// A page compresses what it has collected, and sends it as it is.
func TestBrowserSendsABatchInGzip(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	do := browse(t, elsewhere(t, "testdata"))
	do(fmt.Sprintf(`answer = null; (async () => {
		const events = Array.from({length: 1000}, (_, n) => JSON.stringify({n})).join("\n");
		const body = await new Response(new Blob([events]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
		const r = await fetch("http://%s/metrics", {method: "POST", body,
			headers: {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}});
		answer = await r.text();
	})().catch(e => answer = String(e)); 0`, addr), nil)
	var answer *string
	eventually(t, "the batch is answered", func() bool { do("answer", &answer); return answer != nil })
	if want := `{"accepted":1000,"rejected":[],"rejected_count":0}` + "\n"; *answer != want {
		t.Fatalf("the batch is answered %s; want %s", *answer, want)
	}
	eventually(t, "all events arrive", func() bool { return len(s.all()) == 1000 })
	for n, event := range s.all() {
		if event != fmt.Sprintf(`{"n":%d}`, n) {
			t.Fatalf("event %d is %s", n, event)
		}
	}
}

// hls.js plays a stream and reports in event mode, from a page of another origin.
func TestPlayerReportsByCMCD(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	page := elsewhere(t, "testdata")
	do := browse(t, page)
	do(snippets(t, "js", addr)[1]+"; config.cmcd.eventTargets[0].interval = 1; playerConfig = config; 0", nil)
	do(fmt.Sprintf(`failed = ""; mayFail = false; (async () => {
		const {default: Hls} = await import(%q);
		const video = document.createElement("video");
		video.muted = true;
		document.body.append(video);
		hls = new Hls({cmcd: {...playerConfig.cmcd, sessionId: "session-1"}});
		hls.on(Hls.Events.ERROR, (_, d) => { if (d.fatal && !mayFail) failed = d.type + " " + d.details });
		hls.loadSource(%q);
		hls.attachMedia(video);
		await video.play();
	})().catch(e => failed = String(e)); 0`, page+"/npm/hls.js/dist/hls.mjs", page+"/files/hls/index.m3u8"), nil)

	type report struct {
		E, Sta, Sid, Cid, Sf string
		Ts                   int64
		V, Sn                int
		UserIP               string `json:"user_ip"`
		Br                   []float64
		Url                  string
	}
	saw := func(ok func(report) bool) func() bool {
		return func() bool {
			var failed string
			if do("failed", &failed); failed != "" {
				t.Fatalf("the player says %s; so far on the stream: %q", failed, s.all())
			}
			for _, event := range s.all() {
				var r report
				if err := json.Unmarshal([]byte(event), &r); err != nil {
					t.Fatalf("%s on the stream: %v", event, err)
				}
				if r.Sid != "session-1" || r.Cid != "news-at-ten" || r.V != 2 || r.Ts < 1e12 || r.UserIP != "127.0.0.1" {
					t.Fatalf("the report %s lacks what all have", event)
				}
				if ok(r) {
					return true
				}
			}
			return false
		}
	}
	eventually(t, "the player reports that it plays", saw(func(r report) bool { return r.E == "ps" && r.Sta == "p" }))
	eventually(t, "the player reports by time", saw(func(r report) bool { return r.E == "t" }))
	eventually(t, "the player reports responses", saw(func(r report) bool { return r.E == "rr" && strings.Contains(r.Url, "/files/hls/") }))
	do(`mayFail = true; hls.loadSource("/files/hls/none.m3u8"); 0`, nil)
	eventually(t, "the player reports an error", saw(func(r report) bool { return r.E == "e" }))
	if metrics := get(t, addr, "/metrics"); !strings.Contains(metrics, "dispatcher_cmcd_reports_lost_total 0\n") {
		t.Error("reports count as lost; want none")
	}
}

// -cmcd-stop ends the reports of a session: the reporter of npm sends no other.
func TestReporterStopsWhenItIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "[204,204,204]\n"},
		{[]string{"-cmcd-stop"}, "[410]\n"},
	} {
		if got := node(t, start(t, 1, tt.args...)[0], "cmcd_reporter.mjs"); got != tt.want {
			t.Errorf("%v: three reports are answered %s; want %s", tt.args, got, tt.want)
		}
	}
}

// The encoder of npm @svta/cml-cmcd writes random reports, and its decoder and the
// service must read the same in them.
func TestReportsAreReadAsByTheReferenceDecoder(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	var cases []struct {
		Record string
		Want   map[string]any
	}
	out := node(t, addr, "cmcd_oracle.mjs")
	if err := json.Unmarshal([]byte(out), &cases); err != nil || len(cases) < 1000 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	var body strings.Builder
	for _, c := range cases {
		body.WriteString(c.Record + "\n")
	}
	resp, err := http.Post("http://"+addr+"/cmcd", "application/cmcd", strings.NewReader(body.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != 204 {
		t.Fatalf("POST /cmcd = %d %.500s; want 204", resp.StatusCode, answer)
	}
	eventually(t, "all reports arrive", func() bool { return len(s.all()) == len(cases) })
	for i, event := range s.all() {
		var got map[string]any
		if err := json.Unmarshal([]byte(event), &got); err != nil {
			t.Fatalf("%s on the stream: %v", event, err)
		}
		delete(got, "user_ip")
		if !reflect.DeepEqual(got, cases[i].Want) {
			t.Errorf("%s arrives as %v; the decoder of npm reads %v", cases[i].Record, got, cases[i].Want)
		}
	}
}

// node runs a script with an address, and returns what it writes.
func node(t testing.TB, addr, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, addr)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s = %v\n%s", script, err, &stderr)
	}
	return string(out)
}

// snippets are the code blocks of docs/producers.md in a language, for the address.
func snippets(t testing.TB, language, addr string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/producers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.ReplaceAll(m[1], "localhost:3569", addr))
	}
	if len(all) == 0 {
		t.Fatalf("docs/producers.md has no snippet in %s", language)
	}
	return all
}

func TestShellSnippetsOfTheDocsWork(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	dir := t.TempDir()
	for _, script := range snippets(t, "sh", addr) {
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s = %v\n%s", script, err, out)
		}
	}
	want := []string{`{"event_name":"START","session_id":"4c7a7d1e","user_ip":"127.0.0.1"}`}
	for n := range 6 {
		want = append(want, fmt.Sprintf(`{"n":%d}`, n+1))
	}
	eventually(t, "all events arrive", func() bool { return len(s.all()) >= len(want) })
	if got := s.all(); !slices.Equal(got, want) {
		t.Errorf("the stream has %q; want %q", got, want)
	}
}

func TestPageSnippetOfTheDocsWorks(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	s := consume(t, addr)
	do := browse(t, elsewhere(t, "testdata"))
	do(snippets(t, "js", addr)[0]+`; location.href = "about:blank"; 0`, nil)
	eventually(t, "the event arrives", func() bool {
		return slices.ContainsFunc(s.all(), func(e string) bool { return strings.Contains(e, `"event_name":"START"`) })
	})
}
