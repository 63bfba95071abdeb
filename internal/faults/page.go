package faults

import (
	"fmt"
	"strings"
)

// Page is docs/faults.md, with what was measured per row.
func Page(measured map[int]string) string {
	var b strings.Builder
	b.WriteString(opening)
	for _, row := range Rows {
		figures := measured[row.Number]
		if figures == "" {
			figures = "–"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", row.Number, row.Fault, row.Expected, figures, row.tests())
	}
	return b.String()
}

const opening = `# Faults

What the service must survive. "make faults" injects all of it at full size and
writes the figures here; the same tests inject smaller faults of each kind whenever
they are run. ` + "`internal/faults`" + ` has the table.

| # | fault | expected | measured | tests |
|---|---|---|---|---|
`

func (r Row) tests() string {
	var list []string
	for _, t := range r.Tests {
		list = append(list, "`"+t.Package+"`: "+t.Name)
	}
	return strings.Join(list, "<br>")
}

// Measured is what a page says of each row.
func Measured(page string) map[int]string {
	found := map[int]string{}
	for line := range strings.Lines(page) {
		var number int
		if n, _ := fmt.Sscanf(line, "| %d |", &number); n != 1 {
			continue
		}
		if cells := strings.Split(line, " | "); len(cells) == 5 {
			found[number] = cells[3]
		}
	}
	return found
}
