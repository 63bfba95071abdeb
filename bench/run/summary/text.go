package summary

import (
	"fmt"
	"io"
	"strings"
)

// WriteText prints the verdicts for a terminal.
func (s *Summary) WriteText(w io.Writer) {
	fmt.Fprintf(w, "\n%-74s %-11s %-30s\n", "quantity", "target", "median (min–max)")
	for _, v := range s.Verdicts {
		fmt.Fprintf(w, "%s %s %s %s\n", pad(v.Title, 74), pad(v.Target, 11),
			pad(strings.TrimSpace(Cell(v.Measured)+" "+v.Unit), 30), strings.ReplaceAll(Outcome(v), "**", ""))
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
