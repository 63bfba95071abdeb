//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// recipe is the first block of a language below a heading, or a bold word, of
// docs/consumers.md, for a service at an address.
func recipe(t testing.TB, heading, language, addr string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, behind, ok := strings.Cut(string(page), heading)
	_, behind, found := strings.Cut(behind, "```"+language+"\n")
	block, _, whole := strings.Cut(behind, "```")
	if !ok || !found || !whole {
		t.Fatalf("docs/consumers.md has no block of %s behind %q", language, heading)
	}
	return strings.ReplaceAll(block, "localhost:3569", addr)
}

// needs holds the machine to have a command that works.
func needs(t testing.TB, name string, args ...string) {
	t.Helper()
	if exec.Command(name, args...).Run() != nil {
		notRun(t, fmt.Sprintf("needs %s %v ('make needs' installs it)", name, args))
	}
}

// notRun ends a test that cannot run here: it is skipped, and fails in CI, where nothing may
// be left out.
func notRun(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("NOT RUN: " + why)
	}
	t.Skip("NOT RUN: " + why)
}

// write makes a file that goes with the test.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitConsumers waits until a service has so many consumers.
func awaitConsumers(t testing.TB, addr, wire string, n int) {
	t.Helper()
	eventually(t, "consumers listen over "+wire, func() bool {
		return strings.Contains(get(t, addr, "/metrics"), fmt.Sprintf("\ndispatcher_consumers{wire=%q} %d\n", wire, n))
	})
}

// Each recipe, as it stands in docs/consumers.md, shows each event while the stream goes
// on, also where it is compressed.
func TestRecipesShowEachEventAsItComes(t *testing.T) {
	t.Parallel()
	goMain := func(body string) string {
		return "package main\n\nimport (\"bufio\"; \"bytes\"; \"log\"; \"net/http\"; \"os\")\n\nfunc handle(line []byte) { os.Stdout.Write(line) }\n\nfunc run() error {\n" + body + "\n}\n\nfunc main() { println(run().Error()) }\n"
	}
	javaMain := func(body string) string {
		return "import java.net.URI;\nimport java.net.http.*;\nclass Main { public static void main(String[] args) throws Exception {\n" + body + "\n} }\n"
	}
	plain := func(body string) string { return body }
	for _, tt := range []struct {
		name, heading, language, file string
		program                       func(string) string
		command                       []string // the file is its last argument
		needs                         []string
		want                          string // of {"n":1}
		gzip                          bool   // it unpacks, too
	}{
		{"Node", "### Node", "js", "recipe.mjs", plain, []string{"node"}, nil, "{ n: 1 }", true},
		{"Python", "### Python", "python", "recipe.py", plain, []string{"python3", "-u"}, []string{"python3", "-c", "import requests"}, "{'n': 1}", true},
		{"Go", "### Go\n", "go", "main.go", goMain, []string{"go", "run"}, nil, `{"n":1}`, true},
		{"Java", "### Java", "java", "Main.java", javaMain, []string{"java"}, []string{"javac", "-version"}, `{"n":1}`, false},
		{"curl", "## Fewer bytes", "sh", "recipe.sh", plain, []string{"sh"}, nil, `{"n":1}`, false},
		{"jq", "`jq` reads a stream", "sh", "recipe.sh", func(s string) string { return strings.Replace(s, ".session_id, .event_name", ".n", 1) }, []string{"sh"}, []string{"jq", "--version"}, "[1]", true},
	} {
		for _, gzip := range []bool{false, true} {
			if gzip && !tt.gzip {
				continue
			}
			t.Run(fmt.Sprintf("%s/gzip=%v", tt.name, gzip), func(t *testing.T) {
				t.Parallel()
				if tt.needs != nil {
					needs(t, tt.needs[0], tt.needs[1:]...)
				}
				addr := start(t, 1)[0]
				text, wire := recipe(t, tt.heading, tt.language, addr), "ndjson"
				if gzip {
					text = strings.Replace(text, "wire=ndjson", "wire=ndjson&encoding=gzip", 1)
					text = strings.Replace(text, "curl -sN", "curl -sN --compressed", 1)
				}
				if !strings.Contains(text, "wire=ndjson") {
					wire = "sse"
				}
				var out lines
				command := append(tt.command, write(t, tt.file, tt.program(text)))
				group(t, run(t, &out, &out, "setsid", command...))
				awaitConsumers(t, addr, wire, 1)
				for n := range 3 {
					publish(t, addr, []string{fmt.Sprintf(`{"n":%d}`, n)})
					eventually(t, "the recipe shows the event", func() bool {
						return strings.Contains(out.String(), strings.Replace(tt.want, "1", fmt.Sprint(n), 1))
					})
				}
				if text := out.String(); strings.Contains(text, "$dispatcher") {
					t.Errorf("the recipe shows a notice: %q", text)
				}
			})
		}
	}
}

// group ends the children of a command with the test, too.
func group(t testing.TB, cmd *exec.Cmd) {
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
}

// The loop that writes a file for days has each event once, also of those that came while
// it did not run, and behind a line that was cut.
func TestFileOfDaysHasEachEventOnce(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	script := write(t, "loop.sh", recipe(t, "**For days.**", "bash", addr))
	file := filepath.Join(filepath.Dir(script), "log.ndjson")
	has := func(event string) func() bool {
		return func() bool {
			text, _ := os.ReadFile(file)
			return strings.Contains(string(text), event+"\n{\"$dispatcher\":{\"id\":")
		}
	}
	for _, event := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
		publish(t, addr, []string{event}) // nobody listens, but for the first time
		cmd := exec.Command("setsid", "bash", script)
		cmd.Dir = filepath.Dir(script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		group(t, cmd)
		awaitConsumers(t, addr, "ndjson", 1)
		if event == `{"n":1}` {
			publish(t, addr, []string{event})
		}
		eventually(t, "the file has the event and its id", has(event))
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		awaitConsumers(t, addr, "ndjson", 0)
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "{\"n\":99}\n{\"$dispatcher\":{\"id\":\"ab") // cut before the id was whole
		f.Close()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, `{"n":`) {
			events = append(events, strings.TrimSpace(line))
		}
	}
	if got := strings.Join(events, " "); got != `{"n":1} {"n":2} {"n":3} {"n":99}` { // the last one waits for the next run
		t.Errorf("the file has %s; want each event once", got)
	}
}

// Pages read compressed streams as they come, by EventSource and by fetch, asked for by
// the query or, with -compress auto, by what every browser sends.
func TestBrowserReadsCompressedStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args  []string
		query string
		gzip  bool
	}{
		{nil, "?encoding=gzip&ids=1", true},
		{[]string{"-compress", "auto"}, "?ids=1", true},
		{nil, "?ids=1", false},
	} {
		addr := start(t, 1, tt.args...)[0]
		do := browse(t, "http://"+addr+"/health")
		do(fmt.Sprintf(`got = []; read = ""; coding = null;
			source = new EventSource("/events%[1]s"); source.onmessage = e => got.push(e.data + " " + (e.lastEventId !== ""));
			fetch("/events%[1]s").then(async r => { coding = r.headers.get("content-encoding") || "none";
				for await (const text of r.body.pipeThrough(new TextDecoderStream())) read += text; }); 0`, tt.query), nil)
		awaitConsumers(t, addr, "sse", 2)
		for n := range 3 {
			publish(t, addr, []string{fmt.Sprintf(`{"n":%d}`, n)})
			eventually(t, "the page has the event", func() bool {
				var both bool
				do(fmt.Sprintf(`got.length == %d && got[%d] == '{"n":%d} true' && read.includes('{"n":%d}\n\n')`, n+1, n, n, n), &both)
				return both
			})
		}
		var coding string
		do("coding", &coding)
		if (coding == "gzip") != tt.gzip {
			t.Errorf("%v %s: content-encoding %q; want gzip: %v", tt.args, tt.query, coding, tt.gzip)
		}
	}
}

// The page of the recipe shows each event, and goes on where it was when the stream ends.
func TestRecipesForPages(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	do := browse(t, "http://"+addr+"/health")
	do("got = []; shown = []; show = d => shown.push(d); console.log = x => got.push(x); 0", nil)
	do("{"+recipe(t, "### A browser", "js", addr)+"} 0", nil)
	do("{"+recipe(t, "**Several tabs.**", "js", addr)+"} 0", nil)
	awaitConsumers(t, addr, "sse", 2)
	publish(t, addr, []string{`{"n":1}`})
	eventually(t, "both recipes show the event", func() bool {
		var both bool
		do(`got.length == 1 && got[0].n == 1 && shown.length == 1 && shown[0] == '{"n":1}'`, &both)
		return both
	})
}
