package summary

import (
	"fmt"
	"io"
	"strings"
)

// WriteText prints the verdicts for a terminal.
func (s *Summary) WriteText(w io.Writer) {
	if len(s.Comparisons) > 0 {
		fmt.Fprintf(w, "\n%s %s %s %s\n", pad("scenario, figure", 40), pad("before", 30), pad("now", 30), "now / before, pair by pair")
		for _, c := range s.Comparisons {
			column := ColumnOf(c.Figure)
			fmt.Fprintf(w, "%s %s %s %s ×  %s%s\n", pad(c.Scenario+", "+column.Title, 40), pad(Cell(c.Before.Scaled(column.Scale)), 30),
				pad(Cell(c.Now.Scaled(column.Scale)), 30), Cell(c.Ratio), c.Change, mark(c.LowerBound))
		}
	}
	fmt.Fprintf(w, "\n%-74s %-11s %-30s\n", "quantity", "target", "median (min–max)")
	for _, v := range s.Verdicts {
		fmt.Fprintf(w, "%s %s %s %s\n", pad(v.Title, 74), pad(v.Target, 11),
			pad(strings.TrimSpace(Cell(v.Measured)+" "+v.Unit), 30), strings.ReplaceAll(Outcome(v), "**", ""))
	}
	if s.Meta.Quick {
		fmt.Fprintln(w, "A quick run, to see that nothing broke: single runs, too short to quote their figures.")
	}
	fmt.Fprintln(w, "¹ the generator or the machine was full in some run: rates are a lower bound, latencies an upper one")
}

// pad fills up with spaces to n characters.
func pad(s string, n int) string {
	if k := n - len([]rune(s)); k > 0 {
		return s + strings.Repeat(" ", k)
	}
	return s
}
