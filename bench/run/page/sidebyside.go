package page

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/summary"
)

// A panel is one quantity of the plot, over the scenarios.
type panel struct {
	title  string
	column summary.Column
	linear bool // from 0; otherwise the axis is logarithmic
}

// panels are what the plot of the product and its rivals shows.
func panels() []panel {
	column := func(figure string) summary.Column {
		i := slices.IndexFunc(summary.SideBySideColumns, func(c summary.Column) bool { return c.Figure == figure })
		return summary.SideBySideColumns[i]
	}
	return []panel{
		{"rate held, %", column("rate_held"), true},
		{"server CPU per delivery, µs", column("delivery_cpu_us"), false},
		{"publish to receipt, p99, ms", column("delivery_p99_ms"), false},
		{"events not received, %", column("missing_share"), true},
		{"resident memory, MiB", column("resident_bytes"), false},
	}
}

// Sizes of the plot, in pixels.
const (
	panelWidth, panelHeight = 380, 250
	left, right, above      = 52, 14, 30 // around the axes of a panel
	below                   = 46
	across                  = 3 // panels in a row; the key takes the place of one
)

var inks = []string{"#1463c9", "#d9730d", "#9b3fb5", "#17803d", "#c2331f", "#0e8f9e", "#8a6d00", "#667080"}

// sideBySide draws the product and its rivals as SVG that stands by itself; nothing if
// no scenario was played side by side.
func sideBySide(s *summary.Summary) string {
	pairs := s.SideBySide()
	if len(pairs) == 0 {
		return ""
	}
	var scenarios, subjects []string
	for _, p := range pairs {
		if !slices.Contains(scenarios, p.Scenario.Name) {
			scenarios = append(scenarios, p.Scenario.Name)
		}
		if !slices.Contains(subjects, p.Subject.Name) {
			subjects = append(subjects, p.Subject.Name)
		}
	}
	var b svg
	all := panels()
	rows := (len(all) + across) / across // one place more, for the key
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="the product and its rivals side by side">`+
		`<rect class="paper" width="100%%" height="100%%" fill="#fff"/>`, across*panelWidth, rows*panelHeight)
	for i, p := range all {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, i%across*panelWidth, i/across*panelHeight)
		p.draw(&b, pairs, scenarios, subjects)
		b.WriteString(`</g>`)
	}
	fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, len(all)%across*panelWidth+left, len(all)/across*panelHeight+above)
	for k, name := range subjects {
		y := float64(k * 22)
		b.line(key(k), 0, y, 22, y, ink(k), 3)
		b.text("ink", 30, y+4, "start", name)
	}
	b.WriteString("</g></svg>\n")
	return b.String()
}

func ink(k int) string { return inks[k%len(inks)] }

// key is the class of what has that ink.
func key(k int) string { return fmt.Sprint("k", k%len(inks)) }

// texts are the inks of words, by class.
var texts = map[string]string{"ink": "#1c2430", "faint": "#667080"}

// svg is a drawing that grows. It has its colours itself, and classes for a page that
// wants others.
type svg struct{ strings.Builder }

func (s *svg) line(class string, x1, y1, x2, y2 float64, stroke string, width float64) {
	fmt.Fprintf(s, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`, class, x1, y1, x2, y2, stroke, width)
}

func (s *svg) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(s, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`, class, x, y, anchor, texts[class], html.EscapeString(text))
}

// draw draws the panel: a line for each subject, a place on the axis for each scenario.
func (p panel) draw(b *svg, pairs []summary.Pair, scenarios, subjects []string) {
	low, high := p.bounds(pairs)
	x := func(i int) float64 {
		return left + (float64(i)+0.5)*(panelWidth-left-right)/float64(len(scenarios))
	}
	y := func(v float64) float64 {
		share := (v - low) / (high - low)
		if !p.linear {
			share = math.Log(max(v, low)/low) / math.Log(high/low)
		}
		return panelHeight - below - share*(panelHeight-below-above)
	}
	b.text("ink", left, 18, "start", p.title)
	for _, v := range p.ticks(low, high) {
		b.line("grid", left, y(v), panelWidth-right, y(v), "#dde2e8", 1)
		b.text("faint", left-6, y(v)+4, "end", figures.Number(v))
	}
	for i, name := range scenarios {
		line := float64(i % 2) // two lines of names, which are longer than their places
		b.text("faint", x(i), panelHeight-below+16+14*line, "middle", name)
	}
	for k, name := range subjects {
		var line []string
		for _, pair := range pairs {
			r := pair.Figure(p.column)
			if pair.Subject.Name != name || r.N == 0 {
				continue
			}
			at := x(slices.Index(scenarios, pair.Scenario.Name))
			line = append(line, fmt.Sprintf("%.1f,%.1f", at, y(r.Median)))
			b.line(key(k), at, y(r.Min), at, y(r.Max), ink(k), 1)
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s</title></circle>`,
				key(k), at, y(r.Median), ink(k), html.EscapeString(name+", "+pair.Scenario.Name+": "+summary.Cell(r)))
		}
		width := 1.2
		if k == 0 {
			width = 2.4 // the product
		}
		fmt.Fprintf(b, `<polyline class="%s" points="%s" fill="none" stroke="%s" stroke-width="%.1f"/>`, key(k), strings.Join(line, " "), ink(k), width)
	}
}

// bounds are the ends of the axis: whole powers of ten, or 0 and what is enough.
func (p panel) bounds(pairs []summary.Pair) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, pair := range pairs {
		if r := pair.Figure(p.column); r.N > 0 {
			high = max(high, r.Max)
			if r.Min > 0 {
				low = min(low, r.Min)
			}
		}
	}
	if p.linear {
		return 0, max(1, high*1.05)
	}
	if high == 0 {
		return 0.1, 1
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	return low, max(high, 10*low)
}

// ticks are the powers of ten between the bounds, or four or five round steps from 0 on.
func (p panel) ticks(low, high float64) []float64 {
	var at []float64
	if p.linear {
		step := math.Pow(10, math.Floor(math.Log10(high/4)))
		for _, round := range []float64{5, 2.5, 2, 1} {
			if round*step <= high/4 {
				step *= round
				break
			}
		}
		for i := 0; float64(i)*step <= high; i++ {
			at = append(at, float64(i)*step)
		}
		return at
	}
	for v := low; v <= high*1.001; v *= 10 {
		at = append(at, v)
	}
	return at
}
