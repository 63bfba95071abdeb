package summary

import (
	"bytes"
	"fmt"
	"strings"

	"event-dispatcher/bench/run/figures"
)

// SideBySideColumns are what the product and its rivals are compared by.
var SideBySideColumns = []Column{
	{"rate held, %", "rate_held", 100, true},
	{"µs CPU/delivery", "delivery_cpu_us", 1, false},
	{"receipt p50 ms", "delivery_p50_ms", 1, false},
	{"receipt p99 ms", "delivery_p99_ms", 1, false},
	{"receipt max ms", "delivery_max_ms", 1, false},
	{"not received, %", "missing_share", 100, true},
	{"of that unexplained", "unexplained", 1, true},
	{"resident MiB", "resident_bytes", 1. / (1 << 20), false},
}

// Pair is one server in one scenario.
type Pair struct {
	Scenario *Scenario
	Subject  *Subject
}

// SideBySide returns all servers of the scenarios that were played side by side.
func (s *Summary) SideBySide() []Pair {
	var all []Pair
	for i := range s.Scenarios {
		sc := &s.Scenarios[i]
		for k := range sc.Subjects {
			if sc.SideBySide {
				all = append(all, Pair{sc, &sc.Subjects[k]})
			}
		}
	}
	return all
}

// Beside says what stands beside the figures of a pair: nothing, or why there are none, or
// that they are bounds.
func (p Pair) Beside() string {
	switch {
	case len(p.Subject.Figures) == 0 && p.Subject.Failed > 0:
		return "left out: " + p.Subject.Errors[0]
	case p.Subject.Failed > 0:
		return fmt.Sprintf("%d of %d runs failed: %s", p.Subject.Failed, p.Subject.Runs, p.Subject.Errors[0])
	case p.Subject.LowerBound:
		return "¹"
	}
	return ""
}

// sideBySide writes the table of the product and its rivals.
func (s *Summary) sideBySide(b *bytes.Buffer) {
	pairs := s.SideBySide()
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(b, "## Side by side\n\nThe same events from the same generator, which reads everything of every consumer; all servers in turn in each round. The plot is `%s`.\n\n| load | server |", PlotFile)
	for _, c := range SideBySideColumns {
		fmt.Fprintf(b, " %s |", c.Title)
	}
	fmt.Fprintf(b, " |\n|---|---|%s---|\n", strings.Repeat("---|", len(SideBySideColumns)))
	for _, p := range pairs {
		fmt.Fprintf(b, "| %s | %s |", p.Scenario.Title, p.Subject.Name)
		for _, c := range SideBySideColumns {
			fmt.Fprintf(b, " %s |", Cell(p.Figure(c)))
		}
		fmt.Fprintf(b, " %s |\n", p.Beside())
	}
	fmt.Fprintln(b)
}

// Figure is a figure of the pair in the unit of its column.
func (p Pair) Figure(c Column) figures.Range { return p.Subject.Figures[c.Figure].Scaled(c.Scale) }

// PlotFile is the plot of what was played side by side, beside the summary.
const PlotFile = "side-by-side.svg"
