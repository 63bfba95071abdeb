//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const shown = `[...document.querySelectorAll("#tail .text")].map(e => e.textContent)`

// console opens the page and waits until it is live.
func console(t testing.TB, addr string, width, height int64) *tab {
	t.Helper()
	b := visit(t, "http://"+addr+"/", width, height)
	b.until("the console is live", `document.getElementById("tail-state").textContent === "all events"`)
	b.until("figures are there", `document.getElementById("t-in").textContent !== "–"`)
	return b
}

func TestConsoleShowsWhatGoesOn(t *testing.T) {
	addr := start(t, 1)[0]
	if n := strings.Count(get(t, addr, "/"), "waiting for the first second"); n != 4 {
		t.Errorf("%d charts of the page say that there is nothing yet; want 4", n)
	}
	b := console(t, addr, 1280, 860)
	if n := eval[int](b, `[...document.querySelectorAll("[hidden]")].filter(e => getComputedStyle(e).display !== "none").length`); n != 0 {
		t.Errorf("%d elements are shown although they are hidden; want none", n)
	}
	b.until("it is ready", `document.getElementById("state").textContent === "ready"`)
	b.accessible("at rest")
	b.shot("console-rest")
	const most = 150 << 10
	b.mu.Lock()
	loaded := b.loaded
	b.mu.Unlock()
	if loaded > most {
		t.Errorf("the first load took %.0f bytes; want at most %d", loaded, most)
	}
	t.Logf("first load: %.0f bytes", loaded)

	send(t, addr, `{"event_name":"START","session_id":"s-1","data":{"position":1}}`)
	b.until("the event is shown", shown+`.some(t => t.includes("s-1"))`)
	b.until("its name is shown", `[...document.querySelectorAll("#tail .name")].some(e => e.textContent === "START" && e.dataset.hue === "1")`)
	stop := play(t, addr, newCrowd(200), 500)
	b.until("events come in", `parseFloat(document.getElementById("t-in").textContent) > 0 && parseFloat(document.getElementById("t-out").textContent) > 0`)
	http.Post("http://"+addr+"/api/events", "text/plain", strings.NewReader("nonsense"))
	b.until("a refusal is shown", `/invalid_json|in all/.test(document.getElementById("t-refused-more").textContent)`)
	stop()
	b.until("the charts are drawn", `document.querySelectorAll(".chart canvas").length === 4 && !document.querySelector(".charts").textContent.includes("waiting")`)

	eval[any](b, `document.getElementById("consumers-title").scrollIntoView({behavior: "instant"})`)
	b.until("the console sees itself", `document.querySelectorAll("#consumers tr").length === 1`)
	eval[any](b, `document.getElementById("send").requestSubmit()`)
	b.until("the test event went out", `document.getElementById("send-state").textContent.startsWith("200")`)
	eval[any](b, `document.getElementById("event").value = "{"; document.getElementById("send").requestSubmit()`)
	b.until("the refusal says why", `document.getElementById("send-state").textContent.includes("invalid_json")`)
	eval[any](b, `document.querySelector("#tail .row").click()`)
	b.until("an event opens", `document.querySelector("#tail pre").textContent.includes("\n")`)
	b.accessible("in use")
	b.fine(addr)
}

func TestConsoleShowsHostileEventsAsText(t *testing.T) {
	addr := start(t, 1)[0]
	b := console(t, addr, 1280, 860)
	hostile := []string{
		`<img src=x onerror="window.owned=1">`, `<script>window.owned=2</script>`, `"><svg/onload=window.owned=3>`, `javascript:window.owned=4`,
		"\u202egnp.exe", "a\u0000b\u001b[31m", "zero\u200bwidth", `<style>*{display:none}</style>`, `<a href="//evil.example">x</a>`, "👩‍👩‍👧 مرحبا שלום",
		strings.Repeat("A", 250_000), strings.Repeat("[", 3000) + strings.Repeat("]", 3000),
	}
	for i, text := range hostile {
		var event strings.Builder
		to := json.NewEncoder(&event)
		to.SetEscapeHTML(false)
		if len(text) > 100_000 {
			to.Encode(map[string]any{"a": i, "data": text})
		} else {
			to.Encode(map[string]any{"a": i, "event_name": text, "session_id": text, "data": map[string]any{text: text}})
		}
		send(t, addr, event.String())
		b.until("it is shown", fmt.Sprintf(`%s.some(t => t.startsWith('{"a":%d,'))`, shown, i))
	}
	send(t, addr, `{"n":"`+strings.Repeat(`\u202e`, 30_000)+`"}`)
	send(t, addr, `{"n":"the last one"}`)
	b.until("all were shown", shown+`.some(t => t.includes("the last one"))`)
	eval[any](b, `document.querySelectorAll("#tail .row").forEach(r => r.click())`)
	b.until("they are open", `document.querySelectorAll("#tail pre").length === 14`)
	if got := eval[any](b, "window.owned"); got != nil {
		t.Errorf("a script of an event ran: %v", got)
	}
	if n := eval[int](b, `document.querySelectorAll("#tail img, #tail script, #tail svg, #tail style, #tail a").length`); n != 0 {
		t.Errorf("%d elements came from events; want none", n)
	}
	all := eval[string](b, `document.getElementById("tail").textContent`)
	if strings.ContainsAny(all, "\u202e\u200b\u0000\u001b") {
		t.Error("control or bidirectional characters are shown raw; want them spelled out")
	}
	if !strings.Contains(all, `<img src=x onerror=`) || !strings.Contains(all, `\u202egnp.exe`) {
		t.Errorf("hostile text is not shown as text: %.600q", all)
	}
	if n := eval[int](b, `Math.max(...[...document.querySelectorAll("#tail pre")].map(e => e.textContent.length))`); n > 130_000 {
		t.Errorf("an open event shows %d characters; want a bound", n)
	}
	b.accessible("with hostile events")
	b.fine(addr)
}

func TestConsolePausesAndFollowsASession(t *testing.T) {
	addr := start(t, 1)[0]
	b := console(t, addr, 1280, 860)
	send(t, addr, `{"n":1}`)
	b.until("an event is shown", shown+`.length === 1`)
	eval[any](b, `document.getElementById("pause").click()`)
	send(t, addr, `{"n":2}`)
	b.until("it is counted", `document.getElementById("tail-state").textContent.includes("1 passed")`)
	if got := eval[[]string](b, shown); len(got) != 1 {
		t.Errorf("while paused %v is shown; want the first event only", got)
	}
	eval[any](b, `document.getElementById("pause").click()`)
	send(t, addr, `{"event_name":"START","session_id":"film-night","data":{}}`)
	b.until("it goes on", shown+`.length === 2`)

	eval[any](b, `document.querySelector("#tail .row").click()`)
	b.until("the event is open", `document.querySelector("#tail .more button")`)
	eval[any](b, `document.querySelector("#tail .more button").click()`)
	b.until("the session is followed", `document.getElementById("session").value === "film-night"`)
	b.until("its stream is open", `document.getElementById("session-state").textContent.startsWith("Waiting")`)
	eventually(t, "both streams are open", func() bool { return strings.Contains(get(t, addr, "/console/stats"), `"streams_total":2`) })
	send(t, addr, `{"event_name":"ERROR","session_id":"another"}`)
	for i, name := range []string{"START", "HEARTBEAT", "HEARTBEAT", "HEARTBEAT", "SEEK", "HEARTBEAT", "ERROR"} {
		send(t, addr, fmt.Sprintf(`{"event_name":%q,"session_id":"film-night","timestamp":%d,"data":{"player":{"name":"pillarbox","platform":"Web"},"position":%d,"bitrate":4200000}}`, name, time.Now().UnixMilli(), i*1000))
	}
	b.until("it ends", `document.getElementById("session-state").textContent.includes("ERROR")`)
	got := eval[[]string](b, `[...document.querySelectorAll("#timeline summary")].map(e => e.textContent.replace(/[\d:.–]+ /g, "").trim())`)
	if want := []string{"START", "HEARTBEAT × 3", "SEEK", "HEARTBEAT", "ERROR"}; !slices.Equal(got, want) {
		t.Errorf("timeline = %q; want %q", got, want)
	}
	eval[any](b, `document.querySelector("#timeline li:last-child details").open = true; document.getElementById("session-title").scrollIntoView({behavior: "instant"})`)
	b.until("its JSON is shown", `document.querySelector("#timeline pre")`)
	b.until("the console sees itself by its name", `document.querySelector("#consumers td:nth-child(2)")?.textContent === "console"`)
	b.shot("console-session")
	b.accessible("with a session")
	b.fine(addr)
}

// What an event holds does nothing in the shell into which an operator pastes a command
// of the console, and the command does what the console does.
func TestConsoleCommandsAreSafeToPaste(t *testing.T) {
	addr := start(t, 1)[0]
	b := console(t, addr, 1280, 860)
	eval[any](b, `navigator.clipboard.writeText = async text => { window.copied = text }`)
	copied := func(id string) string {
		eval[any](b, fmt.Sprintf(`delete window.copied; document.querySelector("[data-copy=%s]").click()`, id))
		b.until("it is copied", `window.copied`)
		return eval[string](b, "copied")
	}
	dir := t.TempDir()
	paste := func(line string) *lines {
		if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Fatalf("%q is copied; want no control or bidirectional characters, nor any but ASCII", line)
		}
		out, _ := running(t, dir, "sh", "-c", line)
		return out
	}

	ids := []string{
		"film-night", "a\u0003\ntouch owned\n", "a", `a'; touch owned; '`, `$(touch owned)`, "`touch owned`", `a\`, `a\,b`, "a,b", "b",
		"\u202egnp.exe", "a\u2028b\u2029", "\u009b31m\u007f", "=a", "!a", "%27;touch owned;%27", "a+b c&where=session_id=a#x", "{a,b}[1-3]*?", `"a"`, " a ", "☃é👩‍👧",
	}
	say := func(i int) {
		nested := map[string]any{"session_id": "of something else"} // comes first, and is not the event's
		e, _ := json.Marshal(map[string]any{"a": i, "data": nested, "session_id": ids[i]})
		send(t, addr, string(e))
	}
	outs := make([]*lines, len(ids))
	for i, id := range ids {
		say(i) // one at a time: of many the list shows a part
		row := fmt.Sprintf(`[...document.querySelectorAll("#tail li")].find(e => e.querySelector(".text").textContent.startsWith('{"a":%d,'))`, i)
		b.until("the event is shown", row)
		eval[any](b, fmt.Sprintf(`{ const li = %s, open = li.querySelector(".row"); open.click(); li.querySelector(".more button").click(); open.click() }`, row))
		line := copied("session-curl")
		// Following what stands in the field now is to follow the same.
		if eval[any](b, `document.getElementById("session-form").requestSubmit()`); copied("session-curl") != line {
			t.Errorf("of %q the field makes %s; want %s", id, copied("session-curl"), line)
		}
		if shown := eval[string](b, `document.getElementById("session").value`); strings.ContainsAny(shown, "\u0003\u007f\u009b\u2028\u202e") {
			t.Errorf("the field shows %q; want what is hidden spelled out", shown)
		}
		outs[i] = paste(line)
	}
	streams := func(n int) {
		eventually(t, "streams are open", func() bool {
			return strings.Contains(get(t, addr, "/console/stats"), fmt.Sprintf(`"streams_total":%d`, n))
		})
	}
	streams(len(ids) + 2)
	for range 2 {
		for i := range ids {
			say(i)
		}
	}
	for i, out := range outs {
		want := fmt.Sprintf(`data: {"a":%d,`, i)
		eventually(t, fmt.Sprintf("events of %q come", ids[i]), func() bool { return strings.Count(out.String(), want) == 2 })
		if n := strings.Count(out.String(), "data: "); n != 2 {
			t.Errorf("the command of %q prints %d events; want its 2", ids[i], n)
		}
	}

	eval[any](b, `document.getElementById("where").value = "session_id=a'$(touch${IFS}owned)\u0003\u202e a>=1"; document.getElementById("filter").requestSubmit()`)
	b.until("the filter is in force", `document.getElementById("tail-curl").textContent.includes("where=")`)
	paste(copied("tail-curl"))
	streams(len(ids) + 3)

	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(`{"b":"a file","session_id":"film-night"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	compose := func(event string) {
		eval[any](b, fmt.Sprintf(`document.getElementById("event").value = %q; document.getElementById("event").dispatchEvent(new Event("input"))`, event))
	}
	compose("@" + file)
	prints(t, paste(copied("send-curl")), "invalid_json")
	const odd = `{"b":"it's $(touch owned) \u202e` + "\u202e" + `",` + "\n\t" + `"session_id":"film-night"}`
	compose(odd)
	paste(copied("send-curl"))
	film := outs[slices.Index(ids, "film-night")]
	prints(t, film, `data: {"b":"it's $(touch owned) \u202e\u202e",  "session_id":"film-night"`)
	if strings.Contains(film.String(), "a file") {
		t.Error("a command sends a file; want the text itself")
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("a command made %v; want what events say to do nothing", files)
	}
}

func TestConsoleFilters(t *testing.T) {
	addr := start(t, 1)[0]
	b := console(t, addr, 1280, 860)
	filter := func(words string) {
		eval[any](b, fmt.Sprintf(`document.getElementById("where").value = %q; document.getElementById("filter").requestSubmit()`, words))
	}
	filter("data.n>1 event_name")
	b.until("the filter is in force", `document.getElementById("tail-curl").textContent.includes("where=data.n%3E1&where=event_name") && document.getElementById("tail-state").textContent === "what the filter lets pass"`)
	eventually(t, "one stream is open", func() bool { return strings.Contains(get(t, addr, "/console/stats?streams=9"), `data.n>1`) })
	for i := range 4 {
		send(t, addr, fmt.Sprintf(`{"event_name":"A","data":{"n":%d}}`, i))
	}
	b.until("two match", shown+`.length === 2`)
	filter("data..n=1")
	b.until("a filter that is none is refused", `document.getElementById("filter-error").textContent !== ""`)
	b.accessible("with a wrong filter")
	b.fine(addr)
}

func TestConsoleComesBackWithItsService(t *testing.T) {
	first, addr := startAgain(t, "127.0.0.1:0")
	b := console(t, addr, 1280, 860)
	first.Process.Kill()
	b.until("it says so", `document.getElementById("state").dataset.state === "lost"`)
	startAgain(t, addr)
	b.until("it is back", `document.getElementById("state").textContent === "ready"`)
	b.until("the events, too", `document.getElementById("tail-state").textContent === "all events"`)
	send(t, addr, `{"n":"after"}`)
	b.until("an event is shown", shown+`.some(t => t.includes("after"))`)
	b.until("figures move", `document.getElementById("t-in-more").textContent.startsWith("1 ")`)
	b.fine(addr)
}

func TestConsoleKeepsUpWithFiveThousandEventsPerSecond(t *testing.T) {
	addr := start(t, 1)[0]
	b := console(t, addr, 1280, 860)
	for range 10 {
		resp, err := http.Get("http://" + addr + "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		go io.Copy(io.Discard, resp.Body)
	}
	stop := play(t, addr, newCrowd(2000), 5000)
	b.until("it shows a part", `document.getElementById("tail-state").textContent.includes("1 of")`)
	eval[any](b, "longTasks.length = 0")
	window := 15 * time.Second
	if os.Getenv("SHOTS") != "" {
		window = 2 * time.Minute // what the charts show
	}
	time.Sleep(window)
	tasks := eval[[]int](b, "longTasks")
	t.Logf("tasks over 50 ms in %v at 5,000 events/s: %v ms", window, tasks)
	if longest := slices.Max(append(tasks, 0)); longest > 1000 {
		t.Errorf("the page froze for %d ms; want it never to", longest)
	}
	b.shot("console-busy")
	eval[any](b, `document.getElementById("theme").click(); scrollTo({top: 0, behavior: "instant"})`)
	time.Sleep(1200 * time.Millisecond)
	b.shot("console-dark")
	b.accessible("in the dark")
	b.resize(390, 844)
	b.until("it fits a phone", `document.documentElement.scrollWidth <= 390`)
	time.Sleep(1200 * time.Millisecond)
	b.shot("console-phone")
	b.accessible("on a phone")
	stop()
	b.fine(addr)
}
