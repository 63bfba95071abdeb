package summary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of some results only the raw records and the tables are kept.
func TestTablesAreMadeAgainOfRawRecords(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "results", "2026-11-29-2core-vm-rivals")
	kept, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "summary.md")
	if err := s.WriteMarkdown(again); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(kept)) {
		// What the row is about may have another title by now.
		if _, figures, ok := strings.Cut(line, " | "); ok {
			if rows++; !strings.Contains(string(made), figures) {
				t.Errorf("tables of the raw records lack %q, which the kept ones have", figures)
			}
		}
	}
	if rows < 80 {
		t.Errorf("%d rows are kept; want those of all tables", rows)
	}
	if m := s.Meta; m.CPU == "" || m.Cores == 0 || m.Commit == "" || m.Seconds == 0 {
		t.Errorf("of the machine it knows %+v; want what the records have", m)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "summary.json") {
		t.Errorf("Read(an empty directory) = %v; want an error that names what is missing", err)
	}
}
