// Package page renders the report: one HTML file that needs nothing from
// anywhere. Every plot names the raw files that it was drawn from.
package page

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"strings"

	"event-dispatcher/bench/load/report"
	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

// uPlot 1.6.32, as published on npm; its licence is beside it.
var (
	//go:embed uplot/uPlot.iife.min.js
	plotScript string
	//go:embed uplot/uPlot.min.css
	plotStyle string
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

// view is what the template sees.
type view struct {
	*summary.Summary
	Met, Judged int
	Style       template.CSS
	Scripts     []template.JS
	Data        template.JS
	Plot        template.HTML // of what was played side by side
}

// curve is one run in the plots. Percentiles are written as 1/(1-p), whose
// logarithm spreads the tail; times are in milliseconds.
type curve struct {
	Label   string       `json:"label"`
	Subject string       `json:"subject"`
	Role    string       `json:"role"`
	File    string       `json:"file"`
	Post    [2][]float64 `json:"post"`
	Receipt [2][]float64 `json:"receipt"`
	Series  [5][]float64 `json:"series"` // seconds, POST/s, deliveries/s, cores, MiB
}

// Write renders the report into a file, and beside it the plot of what was played side by
// side, if anything was.
func Write(name string, s *summary.Summary) error {
	v := view{Summary: s, Style: template.CSS(plotStyle + pageStyle), Scripts: []template.JS{template.JS(plotScript), template.JS(pageScript)}}
	data := make(map[string][]curve)
	for _, sc := range s.Scenarios {
		for _, r := range sc.Records {
			if r.Report != nil {
				data[sc.Name] = append(data[sc.Name], curveOf(r))
			}
		}
	}
	if plot := sideBySide(s); plot != "" {
		v.Plot = template.HTML(plot)
		if err := os.WriteFile(filepath.Join(filepath.Dir(name), summary.PlotFile), []byte(plot), 0o644); err != nil {
			return err
		}
	}
	b, err := json.Marshal(data) // escapes <, > and &, so it can stand in a script
	if err != nil {
		return fmt.Errorf("encode the plots: %w", err)
	}
	v.Data = template.JS(b)
	for _, verdict := range s.Verdicts {
		if verdict.Outcome != figures.NoData {
			v.Judged++
		}
		if verdict.Outcome == figures.Met {
			v.Met++
		}
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"cell":   summary.Cell,
		"number": figures.Number,
		"column": summary.ColumnOf,
		"beside": func() []summary.Column { return summary.SideBySideColumns },
		"bar":    bar,
		"join":   strings.Join,
		"gib":    func(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) },
		"figure": figure,
		"plots":  func(name string) []curve { return data[name] },
		"ratios": func(sc summary.Scenario) []ratio { return ratios(sc) },
	}).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

func curveOf(r *trial.Record) curve {
	c := curve{
		Label: fmt.Sprintf("%s, run %d", r.Subject, r.Order), Subject: r.Subject, Role: r.Role, File: r.File,
		Post: percentiles(report.Latency{}), Receipt: percentiles(report.Latency{}), // lists without points, not null
	}
	if p := r.Report.Posts; p != nil {
		c.Post = percentiles(p.Latency)
	}
	if d := r.Report.Deliveries; d != nil {
		c.Receipt = percentiles(d.Latency)
	}
	for i := range c.Series {
		c.Series[i] = []float64{}
	}
	for _, s := range r.Report.Series {
		for i, v := range []float64{s.At, s.Posts, s.Deliveries, s.ServerCPU, float64(s.Resident) / (1 << 20)} {
			c.Series[i] = append(c.Series[i], round(v))
		}
	}
	return c
}

// percentiles are the points of a curve, each percentile once.
func percentiles(l report.Latency) [2][]float64 {
	xs, ys := []float64{}, []float64{}
	for _, p := range l.Curve {
		// The largest of n values is no more than the 1-1/n quantile shows.
		x := float64(l.Count)
		if p.Percentile < 100 {
			x = min(x, 1/(1-p.Percentile/100))
		}
		x = round(x)
		y := round(math.Max(p.Value, 1) / 1000)
		if n := len(xs); n > 0 && x <= xs[n-1] {
			ys[n-1] = math.Max(ys[n-1], y)
			continue
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	return [2][]float64{xs, ys}
}

// round keeps four digits: a plot shows no more.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	by := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*by) / by
}

type ratio struct {
	Title string
	Range figures.Range
}

func ratios(sc summary.Scenario) []ratio {
	var out []ratio
	for _, f := range []ratio{{Title: "post_cpu_us"}, {Title: "post_rate"}, {Title: "delivery_cpu_us"}, {Title: "delivery_rate"}, {Title: "post_p50_ms"}, {Title: "post_p99_ms"}, {Title: "delivery_p99_ms"}} {
		if f.Range = figures.RangeOf(figures.Ratios(sc.Records, f.Title)); f.Range.N > 0 {
			f.Title = map[string]string{
				"post_cpu_us": "server CPU per POST", "post_rate": "POST rate", "delivery_cpu_us": "server CPU per delivery",
				"delivery_rate": "delivery rate", "post_p50_ms": "POST p50", "post_p99_ms": "POST p99", "delivery_p99_ms": "publish to receipt p99",
			}[f.Title]
			out = append(out, f)
		}
	}
	return out
}

// figure is a cell of a scenario's table: the median, below it the range.
func figure(s *summary.Subject, c summary.Column) template.HTML {
	r := s.Figures[c.Figure].Scaled(c.Scale)
	if r.N == 0 {
		return "–"
	}
	cell := figures.Number(r.Median)
	if r.Min < r.Max {
		cell += fmt.Sprintf("<br><small>%s–%s</small>", figures.Number(r.Min), figures.Number(r.Max))
	}
	return template.HTML(cell)
}

// bar draws a verdict: where the range lies relative to the limit, which is
// the line in the middle. Twice the limit and more is the right edge.
func bar(v figures.Verdict) template.HTML {
	if v.Outcome == figures.NoData {
		return ""
	}
	at := func(x float64) float64 {
		if v.Limit == 0 {
			if x == 0 {
				return 50
			}
			return 100
		}
		return min(max(x/v.Limit, 0), 2) * 50
	}
	lo, mid, hi := at(v.Measured.Min), at(v.Measured.Median), at(v.Measured.Max)
	class := "met"
	if v.Outcome == figures.NotMet {
		class = "missed"
	}
	good := `<rect class="good" x="0" y="0" width="50" height="12"/>`
	if v.Least {
		good = `<rect class="good" x="50" y="0" width="50" height="12"/>`
	}
	return template.HTML(fmt.Sprintf(`<svg class="bar %s" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="range against the limit">%s`+
		`<line class="limit" x1="50" x2="50" y1="0" y2="12"/><rect class="span" x="%.1f" y="4" width="%.1f" height="4"/><rect class="median" x="%.1f" y="1" width="1.6" height="10"/></svg>`,
		class, good, lo, max(hi-lo, 0.5), min(mid, 98.8)-0.4))
}
