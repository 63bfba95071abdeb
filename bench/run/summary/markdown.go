package summary

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/trial"
)

// A Column of the table of a scenario. Columns that no subject fills are left
// out.
type Column struct {
	Title, Figure string
	Scale         float64
	Zero          bool // 0 is worth showing, too
}

// Columns in the order they are shown.
var Columns = []Column{
	{"ns/publish", "publish_ns", 1, false},
	{"ns/publish, contended", "publish_contended_ns", 1, false},
	{"ns/publish, mutex, contended", "publish_mutex_ns", 1, false},
	{"allocs/publish", "publish_allocs", 1, true},
	{"ns/event read", "read_ns", 1, false},
	{"events/s relayed", "relay_rate", 1, false},
	{"skipped by the relay", "relay_skipped", 1, true},
	{"events/s in batches", "batch_rate", 1, false},
	{"µs CPU/event", "batch_cpu_us", 1, false},
	{"allocs/event", "batch_allocs", 1, false},
	{"events/s in gzip", "batch_gzip_rate", 1, false},
	{"µs CPU/event in gzip", "batch_gzip_cpu_us", 1, false},
	{"allocs/event in gzip", "batch_gzip_allocs", 1, false},
	{"POST/s", "post_rate", 1, false},
	{"µs CPU/POST", "post_cpu_us", 1, false},
	{"µs CPU/event, all processes", "event_cpu_us", 1, false},
	{"µs CPU/event, a peer", "peer_cpu_us", 1, false},
	{"events/message", "events_per_message", 1, false},
	{"POST p50 ms", "post_p50_ms", 1, false},
	{"POST p99 ms", "post_p99_ms", 1, false},
	{"deliveries/s", "delivery_rate", 1, false},
	{"µs CPU/delivery", "delivery_cpu_us", 1, false},
	{"receipt p50 ms", "delivery_p50_ms", 1, false},
	{"receipt p99 ms", "delivery_p99_ms", 1, false},
	{"KB/s per consumer", "stream_bytes", 1e-3, false},
	{"crowd faults", "crowd_faults", 1, true},
	{"crowd skipped", "crowd_skipped", 1, true},
	{"server cores", "server_cores", 1, false},
	{"events/sweep", "events_per_sweep", 1, false},
	{"skipped", "skipped", 1, true},
	{"healthy skipped", "healthy_skipped", 1, true},
	{"unexplained", "unexplained", 1, true},
	{"relay gaps", "relay_gaps", 1, true},
	{"relay drops", "relay_drops", 1, true},
	{"KiB/listener", "idle_bytes", 1. / (1 << 10), false},
	{"kernel KiB/listener", "idle_kernel_bytes", 1. / (1 << 10), false},
	{"growth MiB", "growth_bytes", 1. / (1 << 20), false},
}

// Shown returns the columns that the scenario fills.
func (s *Scenario) Shown() []Column {
	var shown []Column
	for _, c := range Columns {
		for _, sub := range s.Subjects {
			if r, ok := sub.Figures[c.Figure]; ok && (r.Max != 0 || c.Zero) {
				shown = append(shown, c)
				break
			}
		}
	}
	return shown
}

// Cell writes a range: the median, and between which values it lies.
func Cell(r figures.Range) string {
	switch {
	case r.N == 0:
		return "–"
	case r.N == 1 || r.Min == r.Max:
		return figures.Number(r.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", figures.Number(r.Median), figures.Number(r.Min), figures.Number(r.Max))
}

// WriteMarkdown stores the summary in a file, ready to be pasted.
func (s *Summary) WriteMarkdown(name string) error {
	var b bytes.Buffer
	m := s.Meta
	fmt.Fprintf(&b, "# Benchmark %s, %s\n\n", m.Date.Format("2006-01-02"), m.Host)
	fmt.Fprintf(&b, "%s, %d cores, %.1f GiB, Linux %s, %s, commit %s. Command: `%s`. Load average %s before, %s after; took %.0f s.\n",
		m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Commit, strings.Join(m.Command, " "), m.LoadBefore, m.LoadAfter, m.Seconds)
	fmt.Fprintf(&b, "Median (minimum–maximum) of the runs. Raw records are in `raw/`, plots in `report.html`.\n\n")
	s.comparisons(&b)
	s.sideBySide(&b)
	fmt.Fprintf(&b, "## Targets\n\n| quantity | target | measured | |\n|---|---|---|---|\n")
	for _, v := range s.Verdicts {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", v.Title, v.Target, strings.TrimSpace(Cell(v.Measured)+" "+v.Unit), Outcome(v))
	}
	for i := range s.Scenarios {
		s.Scenarios[i].markdown(&b)
	}
	if len(s.Failures) > 0 {
		fmt.Fprintf(&b, "\n## Failed runs\n\n")
		for _, f := range s.Failures {
			fmt.Fprintf(&b, "- %s\n", f)
		}
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// comparisons writes the table of an earlier build beside the present one.
func (s *Summary) comparisons(b *bytes.Buffer) {
	if len(s.Comparisons) == 0 {
		return
	}
	fmt.Fprintf(b, "## Before and now\n\nPlayed in pairs, of which now the one and now the other build was first. A change counts if every pair shows it and it is larger than what runs of one build differ by.\n\n")
	fmt.Fprintf(b, "| scenario | figure | before | now | now / before | |\n|---|---|---|---|---|---|\n")
	for _, c := range s.Comparisons {
		column := ColumnOf(c.Figure)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s × | %s%s |\n", c.Scenario, column.Title, Cell(c.Before.Scaled(column.Scale)),
			Cell(c.Now.Scaled(column.Scale)), Cell(c.Ratio), c.Change, mark(c.LowerBound))
	}
	fmt.Fprintln(b)
}

// ColumnOf returns the column that shows a figure.
func ColumnOf(figure string) Column {
	for _, c := range Columns {
		if c.Figure == figure {
			return c
		}
	}
	return Column{figure, figure, 1, true}
}

// mark is the footnote of figures that are bounds.
func mark(bound bool) string {
	if bound {
		return " ¹"
	}
	return ""
}

// Outcome is the last column of the table of targets.
func Outcome(v figures.Verdict) string {
	text := string(v.Outcome)
	if v.Outcome == figures.NotMet {
		text = "**" + text + "**"
	}
	if v.LowerBound {
		text += " ¹"
	}
	return text
}

func (s *Scenario) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## %s: %s\n\n", s.Name, s.Title)
	if s.Load != "" {
		fmt.Fprintf(b, "`load %s`\n", s.Load)
	}
	if s.Note != "" {
		fmt.Fprintf(b, "%s\n", s.Note)
	}
	columns := s.Shown()
	fmt.Fprintf(b, "\n| subject | runs |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.Title)
	}
	fmt.Fprintf(b, "\n|---|---|%s\n", strings.Repeat("---|", len(columns)))
	for _, sub := range s.Subjects {
		fmt.Fprintf(b, "| %s | %s |", sub.Name, sub.RunsText())
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", Cell(sub.Figures[c.Figure].Scaled(c.Scale)))
		}
		fmt.Fprintln(b)
	}
	for _, sub := range s.Subjects {
		if sub.Failed > 0 {
			fmt.Fprintf(b, "\n%s failed: %s\n", sub.Name, sub.Errors[0])
		}
	}
	for _, figure := range []struct{ name, title string }{
		{"post_cpu_us", "CPU per POST"}, {"delivery_cpu_us", "CPU per delivery"}, {"post_rate", "POST rate"}, {"post_p50_ms", "POST p50"}, {"post_p99_ms", "POST p99"}, {"delivery_p99_ms", "receipt p99"},
	} {
		if r := figures.RangeOf(figures.Ratios(s.Records, figure.name)); r.N > 0 {
			fmt.Fprintf(b, "\nProduct / %s, %s: %s ×\n", s.ceiling(), figure.title, Cell(r))
		}
	}
}

// ceiling is the name of the subject that the product is compared with.
func (s *Scenario) ceiling() string {
	for _, sub := range s.Subjects {
		if sub.Role == trial.Ceiling {
			return sub.Name
		}
	}
	return "ceiling"
}

// RunsText says how many runs there were, and what is wrong with them.
func (s Subject) RunsText() string {
	text := fmt.Sprint(s.Runs)
	if s.LowerBound {
		text += " ¹"
	}
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Failed)
	}
	return text
}
