//go:build unix

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A passage is code in a document: between fences, or set in by four blanks.
type passage struct {
	file     string // below the repository
	language string // behind the fence; "in" for what is set in
	text     string
}

func passages(t testing.TB) (all []passage) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"node_modules", "results", ".git"}, d.Name()) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		all = append(all, passagesOf(strings.TrimPrefix(path, "../"), string(text))...)
		return err
	})
	if err != nil || len(all) < 40 {
		t.Fatalf("passages of code in the documents = %d, %v; want all", len(all), err)
	}
	return all
}

func passagesOf(file, text string) (all []passage) {
	fenced, before := false, ""
	var open *passage
	for line := range strings.Lines(text) {
		fence := strings.HasPrefix(line, "```")
		inner, in := strings.CutPrefix(line, "    ")
		switch {
		case fence && fenced:
			fenced, open = false, nil
		case fence:
			all = append(all, passage{file, strings.TrimSpace(line[3:]), ""})
			fenced, open = true, &all[len(all)-1]
		case fenced:
			open.text += line
		case in && (open != nil || before == "\n"):
			if open == nil {
				all = append(all, passage{file, "in", ""})
				open = &all[len(all)-1]
			}
			open.text += inner
		default:
			open = nil
		}
		before = line
	}
	return all
}

// command says whether a passage is something to run, or a configuration to use. What
// is set in may be an example of what is sent or answered.
func (p passage) command() bool {
	switch p.language {
	case "", "text":
		return false
	case "in":
		return regexp.MustCompile(`^(\$ )?[a-z_-]+ `).MatchString(p.text)
	}
	return true
}

// A treatment is what becomes of a passage: it is played here, or elsewhere, or not.
type treatment struct {
	file, begin string
	play        func(t *testing.T, text string)
	elsewhere   string // the file of the test, and its name
	why         string // it is not played
}

var treatments = []treatment{
	{file: "README.md", begin: "go run cmd", play: firstMinute},
	{file: "README.md", begin: "curl -N", elsewhere: "e2e/docs_play_test.go firstMinute"},
	{file: "README.md", begin: "curl -d", elsewhere: "e2e/docs_play_test.go firstMinute"},
	{file: "docs/producers.md", begin: "curl --fail-with-body -d", elsewhere: "e2e/producers_test.go TestShellSnippetsOfTheDocsWork"},
	{file: "docs/producers.md", begin: "printf '{\"n\":1}", elsewhere: "e2e/producers_test.go TestShellSnippetsOfTheDocsWork"},
	{file: "docs/producers.md", begin: "printf '{\"n\":5}", elsewhere: "e2e/producers_test.go TestShellSnippetsOfTheDocsWork"},
	{file: "docs/producers.md", begin: "const events", elsewhere: "e2e/producers_test.go TestPageSnippetOfTheDocsWorks"},
	{file: "docs/producers.md", begin: "// hls.js", elsewhere: "e2e/producers_test.go TestPlayerReportsByCMCD"},
	{file: "docs/producers.md", begin: "val client", why: "Kotlin with OkHttp needs a build with Gradle"},
	{file: "docs/producers.md", begin: "var request", why: "Swift needs Apple's Foundation"},
	{file: "docs/producers.md", begin: "[sinks.dispatcher]", why: "Vector is no package of Debian"},
	{file: "docs/producers.md", begin: "[OUTPUT]", why: "Fluent Bit is no package of Debian"},
	{file: "docs/consumers.md", begin: "curl -N", play: listens},
	{file: "docs/consumers.md", begin: "curl -sN 'http://localhost:3569/events?wire=ndjson&where=event_name=ERROR", play: listens},
	{file: "docs/consumers.md", begin: "curl -sN 'http://localhost:3569/events?sample=0.02", play: listens},
	{file: "docs/consumers.md", begin: "new EventSource", play: listensInPage},
	{file: "docs/consumers.md", begin: "$ curl -s", play: answers},
	{file: "docs/consumers.md", begin: "const source", play: listensInPage},
	{file: "docs/consumers.md", begin: "const channel", play: listensInPage},
	{file: "docs/consumers.md", begin: "const answer", play: listensWith("node", "--input-type=module", "-e")},
	{file: "docs/consumers.md", begin: "import json", play: listensWith("python3", "-u", "-c")},
	{file: "docs/consumers.md", begin: "answer, err", play: listensInGo},
	{file: "docs/consumers.md", begin: "var request", play: listensInJava},
	{file: "docs/consumers.md", begin: "val client", why: "Kotlin with OkHttp needs a build with Gradle"},
	{file: "docs/consumers.md", begin: "curl -sfN", play: listens},
	{file: "docs/consumers.md", begin: "curl -sN 'http://localhost:3569/events?wire=ndjson' | grep", play: listens},
	{file: "docs/consumers.md", begin: "touch", play: goesOn},
	{file: "docs/consumers.md", begin: "grep -v -e '^$' -e '^{\"$dispatcher\":' events.ndjson | click", why: "ClickHouse is no package of Debian"},
	{file: "docs/consumers.md", begin: "grep -v -e '^$' -e '^{\"$dispatcher\":' events.ndjson | jq", why: "Elasticsearch is no package of Debian"},
	{file: "docs/consumers.md", begin: "[sources.dispatcher]", why: "Vector is no package of Debian"},
	{file: "docs/consumers.md", begin: "[SERVICE]", why: "Fluent Bit is no package of Debian"},
	{file: "docs/consumers.md", begin: "curl -sN --compressed", play: listens},
	{file: "docs/consumers.md", begin: "curl -sN 'http://localhost:3569/events?wire=ndjson&where=event_name=HEARTBEAT", play: listens},
	{file: "docs/operations.md", begin: "go run helm.sh", elsewhere: "internal/deploy/chart_test.go TestDocumentedCommandsOfTheChart"},
	{file: "docs/operations.md", begin: "port = ", play: configures},
	{file: "docs/operations.md", begin: "map $http_upgrade", elsewhere: "internal/proxies/proxies_test.go TestStreamIsNotBuffered"},
	{file: "docs/operations.md", begin: "defaults", elsewhere: "internal/proxies/proxies_test.go TestStreamIsNotBuffered"},
	{file: "docs/scale.md", begin: "event_dispatcher -relay", play: checks},
	{file: "docs/secure.md", begin: "event_dispatcher -access", play: secures},
	{file: "docs/secure.md", begin: "[anonymous]", play: grants},
	{file: "docs/secure.md", begin: "token=", play: makesToken},
	{file: "docs/secure.md", begin: "const {ticket}", play: usesTicket},
	{file: "docs/sessions.md", begin: "go run cmd", play: onePractice},
	{file: "docs/sessions.md", begin: "new WebSocket(\"ws://localhost:8123/ws/myPracticeId/alice\")", elsewhere: "e2e/docs_sessions_test.go onePractice"},
	{file: "docs/sessions.md", begin: "curl -i", elsewhere: "e2e/docs_sessions_test.go onePractice"},
	{file: "docs/sessions.md", begin: "curl http://localhost:8123/poc/replay", elsewhere: "e2e/docs_sessions_test.go onePractice"},
	{file: "docs/sessions.md", begin: "new WebSocket(\"ws://localhost:8123/ws/myPracticeId/bob\")", elsewhere: "e2e/docs_sessions_test.go onePractice"},
	{file: "docs/sessions.md", begin: "redis-server", play: twoInstances},
	{file: "docs/sessions.md", begin: "redis-cli", elsewhere: "internal/instances/permissions_test.go TestDocumentedPermissionsSuffice"},
	{file: "bench/README.md", begin: "go run ./run ", play: lists},
	{file: "bench/README.md", begin: "cd .. && go test", why: "a measurement, which needs a quiet machine for minutes"},
	{file: "bench/README.md", begin: "go run ./run -only '^ingest$'", why: "a measurement, which needs a quiet machine for minutes"},
	{file: "e2e/testdata/hls/README.md", begin: "ffmpeg", why: "its result is kept; other versions of ffmpeg make other bytes"},
}

// of is the treatment with the longest beginning that fits.
func of(p passage) (found *treatment) {
	for i := range treatments {
		c := &treatments[i]
		if c.file == p.file && strings.HasPrefix(p.text, c.begin) && (found == nil || len(c.begin) > len(found.begin)) {
			found = c
		}
	}
	return found
}

var words = regexp.MustCompile(`\W+`)

// Every command and configuration of the documents is played by a test, or there is a
// reason why not.
func TestCommandsOfTheDocuments(t *testing.T) {
	used := map[*treatment]bool{}
	for _, p := range passages(t) {
		if !p.command() {
			continue
		}
		first, _, _ := strings.Cut(p.text, "\n")
		c := of(p)
		if c == nil || used[c] {
			t.Errorf("%s: nothing plays %q, and nothing says why not", p.file, first)
			continue
		}
		used[c] = true
		switch {
		case c.play != nil:
			t.Run(fmt.Sprintf("%s/%.30s", filepath.Base(p.file), words.ReplaceAllString(first, " ")), func(t *testing.T) {
				t.Parallel()
				c.play(t, p.text)
			})
		case c.elsewhere != "":
			file, name, _ := strings.Cut(c.elsewhere, " ")
			if text, err := os.ReadFile(filepath.Join("..", file)); err != nil || !strings.Contains(string(text), "func "+name+"(") {
				t.Errorf("%s: %q is to be played by %s, which is not there", p.file, first, c.elsewhere)
			}
		default:
			t.Logf("not played: %s: %s: %s", p.file, first, c.why)
		}
	}
	for i := range treatments {
		if c := &treatments[i]; !used[c] {
			t.Errorf("%s has no passage %q any more", c.file, c.begin)
		}
	}
}
