package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"event-dispatcher/internal/program"
)

const root = "../.."

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

func TestRowsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	for _, row := range Rows {
		if len(row.Tests) == 0 {
			t.Errorf("row %d has no test", row.Number)
		}
		for _, test := range row.Tests {
			if !functions(t, test.Package)[test.Name] {
				t.Errorf("row %d: %s has no %s", row.Number, test.Package, test.Name)
			}
		}
	}
	named := map[string]bool{}
	for _, row := range Rows {
		for _, test := range row.Tests {
			named[test.Package+test.Name] = true
		}
	}
	for _, pkg := range []string{"internal/faults", "internal/instances"} {
		for name := range functions(t, pkg) {
			if strings.HasPrefix(name, "TestFault") && !named[pkg+name] {
				t.Errorf("%s has %s, which is in no row", pkg, name)
			}
		}
	}
}

func TestPageHasTheRows(t *testing.T) {
	t.Parallel()
	const path = root + "/docs/faults.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	figures := Measured(string(text))
	if want := Page(figures); string(text) != want {
		t.Error("docs/faults.md is not what the table says; write it with 'go run ./internal/faults/run -rows none'")
	}
	for _, row := range Rows {
		if figures[row.Number] == "–" {
			t.Errorf("row %d has no figures", row.Number)
		}
	}
}

// functions are those of a package's tests.
func functions(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("tests of %s: %v, %v; want some", pkg, files, err)
	}
	found := map[string]bool{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}
