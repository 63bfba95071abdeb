package floors

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "event-dispatcher"
	root   = "../.."
)

// floors has every package of the product on the floor where it stands. A package
// imports from lower floors only, so the way of a request goes up or down, and does
// not come back.
var floors = [][]string{
	0:  {"broker/shrink"},
	1:  {"broker/ring", "broker/wake", "broker/jsonkey", "broker/event", "broker/sharing", "transport/wire", "transport/epoll", "transport/metric", "transport/nearest", "transport/bare", "transport/reply", "transport/static", "transport/tidy", "transport/bucket", "transport/operate/console", "transport/operate/contract", "transport/screens/demo", "transport/ingest/cmcd", "transport/ingest/inflate"},
	2:  {"broker", "broker/redis"},
	3:  {"broker/session", "transport/view", "transport/refusal"},
	4:  {"broker/relay", "transport/stream", "transport/websocket", "transport/client", "transport/access"},
	5:  {"transport/front", "transport/ingest"},
	6:  {"transport/subscribe", "transport/screens", "transport/operate"},
	7:  {"transport"},
	8:  {"cmd/event_dispatcher/process"},
	9:  {"cmd/event_dispatcher/config"},
	10: {"cmd/event_dispatcher"},
}

// core has the packages that import nothing but each other, the standard library,
// and what is listed.
var core = map[string][]string{
	"broker":         nil,
	"broker/ring":    nil,
	"broker/wake":    nil,
	"broker/jsonkey": nil,
	"broker/shrink":  nil,
	"broker/event":   {"github.com/goccy/go-json"},
}

func floorOf(pkg string) (int, bool) {
	for n, packages := range floors {
		if slices.Contains(packages, pkg) {
			return n, true
		}
	}
	return 0, false
}

func TestPackagesImportFromLowerFloors(t *testing.T) {
	t.Parallel()
	for pkg, files := range packages(t) {
		own, ok := floorOf(pkg)
		if tool := strings.HasPrefix(pkg, "internal/"); !ok && !tool {
			t.Errorf("package %s has no floor; want it in the table of this test", pkg)
		} else if tool {
			continue
		}
		for path, imported := range imports(t, files) {
			below, inside := strings.CutPrefix(imported, module+"/")
			if !inside {
				continue
			}
			if floor, ok := floorOf(below); !ok || floor >= own {
				t.Errorf("%s, on floor %d, imports %s, on floor %d (0: none); want a lower one", path, own, below, floor)
			}
		}
	}
}

func TestCoreImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for pkg, files := range packages(t) {
		allowed, ok := core[pkg]
		if !ok {
			continue
		}
		for path, imported := range imports(t, files) {
			first, _, _ := strings.Cut(imported, "/")
			below, inside := strings.CutPrefix(imported, module+"/")
			_, sibling := core[below]
			if !(inside && sibling) && (inside || strings.Contains(first, ".")) && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s; want the standard library, the core or one of %q", path, imported, allowed)
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	t.Parallel()
	for pkg, files := range packages(t) {
		comments := 0
		for _, file := range files {
			if file.Doc != nil {
				comments++
			}
		}
		if comments != 1 {
			t.Errorf("%d package comments in %s; want 1", comments, pkg)
		}
	}
}

// packages parses the files of every package of the module up to their imports,
// without tests: by package, by path.
func packages(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	found := map[string]map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || exists(filepath.Join(path, "go.mod"))) {
				return filepath.SkipDir // not a part of this module
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		if found[pkg] == nil {
			found[pkg] = map[string]*ast.File{}
		}
		found[pkg][path] = file
		return nil
	})
	if err != nil || len(found) < 20 {
		t.Fatalf("packages of the module = %d, %v; want all", len(found), err)
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// imports yields the path of a file and what it imports.
func imports(t *testing.T, files map[string]*ast.File) func(yield func(path, imported string) bool) {
	return func(yield func(path, imported string) bool) {
		for path, file := range files {
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if !yield(path, imported) {
					return
				}
			}
		}
	}
}
