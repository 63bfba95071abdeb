package documents

import (
	"bytes"
	"errors"
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/cmd/event_dispatcher/config"
)

// A row of a table in docs begins with the flags that it is about.
func TestEveryFlagHasARow(t *testing.T) {
	t.Parallel()
	var help bytes.Buffer
	if _, err := config.Parse([]string{"-h"}, func(string) string { return "" }, &help); err != nil && !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	var flags []string
	for _, m := range regexp.MustCompile(`(?m)^  (-[a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
		flags = append(flags, m[1])
	}
	if len(flags) < 40 {
		t.Fatalf("-h lists %d flags; want all", len(flags))
	}
	row := regexp.MustCompile("(?m)^\\| (`-[a-z-]+`(?:, `-[a-z-]+`)*) \\|")
	var rows []string
	for path, d := range documents(t) {
		if !strings.HasPrefix(path, "docs/") {
			continue
		}
		for _, m := range row.FindAllStringSubmatch(d.text, -1) {
			for name := range strings.SplitSeq(strings.ReplaceAll(m[1], "`", ""), ", ") {
				if rows = append(rows, name); !slices.Contains(flags, name) {
					t.Errorf("%s has a row for %s, which is no flag", path, name)
				}
			}
		}
	}
	for _, name := range flags {
		if !slices.Contains(rows, name) {
			t.Errorf("no page of docs has a row for %s", name)
		}
	}
}
