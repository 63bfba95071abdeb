package documents

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// A document is a file in Markdown.
type document struct {
	path    string // below root
	text    string // without blocks of code
	anchors []string
}

var (
	blocks   = regexp.MustCompile("(?ms)^```.*?^```$")
	headings = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	spans    = regexp.MustCompile("`[^`\n]+`")
	links    = regexp.MustCompile(`(?:\]\(|\bsrc(?:set)?=")([^()\s"]+)[)"]`) // pictures, too
)

// documents are those of the whole repository, by path.
func documents(t *testing.T) map[string]document {
	t.Helper()
	all := map[string]document{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		below = filepath.ToSlash(below)
		all[below] = read(below, string(text))
		return nil
	})
	if err != nil || len(all) < 15 {
		t.Fatalf("documents of the repository = %d, %v; want all", len(all), err)
	}
	return all
}

func read(path, text string) document {
	d := document{path: path, text: blocks.ReplaceAllString(text, "")}
	for _, m := range headings.FindAllStringSubmatch(d.text, -1) {
		d.anchors = append(d.anchors, anchor(m[1]))
	}
	return d
}

// anchor is what a heading is called in an address: lower case, blanks as hyphens,
// and no punctuation.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	all := documents(t)
	checked := 0
	for _, d := range all {
		for _, m := range links.FindAllStringSubmatch(spans.ReplaceAllString(d.text, "code"), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // elsewhere
			}
			checked++
			to := d.path
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(d.path), target))
			}
			if !exists(to) {
				t.Errorf("%s links to %s, which is not there", d.path, m[1])
			} else if there, ok := all[to]; fragment != "" && (!ok || !slices.Contains(there.anchors, fragment)) {
				t.Errorf("%s links to %s, where no heading is called so", d.path, m[1])
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d links were found; want all", checked)
	}
}

// Who is woken by an alert finds what to do.
func TestEveryAlertHasItsHeading(t *testing.T) {
	t.Parallel()
	all := documents(t)
	rules, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	alert := regexp.MustCompile(`(?s)- alert: (\w+)\n.*?runbook_url: (\S+)#(\S+)\n`)
	found := alert.FindAllStringSubmatch(string(rules), -1)
	for _, m := range found {
		if name, page, at := m[1], m[2], m[3]; at != anchor(name) || !slices.Contains(all[page].anchors, at) {
			t.Errorf("%s leads to %s#%s, which is not its heading", name, page, at)
		}
	}
	if n := strings.Count(string(rules), "- alert:"); len(found) != n || n < 5 {
		t.Errorf("%d of %d alerts say where to look; want all", len(found), n)
	}
}

func exists(below string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(below)))
	return err == nil
}

// rooms are the directories that paths in documents begin with.
var rooms = []string{"broker", "transport", "cmd", "internal", "bench", "docs", "deploy", "e2e", "scripts"}

// A path counts from the top, or from where the document is.
func TestEveryFileThatADocumentNamesIsThere(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, d := range documents(t) {
		if d.path == "CHANGELOG.md" || strings.HasPrefix(d.path, "bench/results/") {
			continue // of their time
		}
		for _, span := range spans.FindAllString(d.text, -1) {
			path, _, _ := strings.Cut(strings.Trim(span, "`"), " ")
			path = strings.TrimSuffix(path, ":") // as a commit's subject has it
			if first, _, ok := strings.Cut(path, "/"); !ok || !slices.Contains(rooms, first) || strings.ContainsAny(path, "*…<") {
				continue
			}
			checked++
			if !exists(path) && !exists(filepath.Join(filepath.Dir(d.path), path)) {
				t.Errorf("%s names %s, which is not there", d.path, path)
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d paths were found; want all", checked)
	}
}

// What is in one line is read as it stands: a target of make, a benchmark of a package.
func TestEveryTargetAndBenchmarkThatADocumentNamesIsThere(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile("`make ([a-z-]+)")
	benchmark := regexp.MustCompile("`go test -bench ([A-Za-z.]+) \\./([a-z/]+)`")
	targets, benchmarks := 0, 0
	for _, d := range documents(t) {
		for _, m := range target.FindAllStringSubmatch(d.text, -1) {
			targets++
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s says make %s, which the Makefile does not know", d.path, m[1])
			}
		}
		for _, m := range benchmark.FindAllStringSubmatch(d.text, -1) {
			benchmarks++
			if !hasBenchmark(t, m[2], m[1]) {
				t.Errorf("%s says %s, which runs no benchmark", d.path, m[0])
			}
		}
	}
	if targets < 5 || benchmarks < 3 {
		t.Errorf("%d targets and %d benchmarks were found; want all", targets, benchmarks)
	}
}

func hasBenchmark(t *testing.T, pkg, pattern string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^func (Benchmark\w*` + pattern + `)`)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return name.Match(text)
	})
}
