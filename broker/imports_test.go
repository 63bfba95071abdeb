package broker

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

// The core of the product depends on nothing but the standard library.
func TestCoreImportsTheStandardLibraryOnly(t *testing.T) {
	const module = "event-dispatcher/broker"
	core := []string{module, module + "/ring", module + "/wake", module + "/jsonkey"}
	for _, pkg := range core {
		dir := "." + strings.TrimPrefix(pkg, module)
		for path, file := range parseDir(t, dir) {
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				first, _, _ := strings.Cut(imported, "/")
				standard := !strings.Contains(first, ".") && first != "event-dispatcher"
				if !standard && !slices.Contains(core, imported) {
					t.Errorf("%s imports %s; want the standard library, or one of %v", path, imported, core)
				}
			}
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name := d.Name()
		if path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || exists(filepath.Join(path, "go.mod"))) {
			return filepath.SkipDir // not a part of this module
		}
		files := parseDir(t, path)
		comments := 0
		for _, file := range files {
			if file.Doc != nil {
				comments++
			}
		}
		if len(files) > 0 && comments != 1 {
			t.Errorf("%d package comments in %s; want 1", comments, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parseDir parses the imports and the package comment of the files in dir, tests
// excepted.
func parseDir(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file
	}
	return files
}
