package figures

import (
	"fmt"
	"strings"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/trial"
)

// Outcome of a target.
type Outcome string

// A target that some runs meet and others do not is judged by the median, and
// the range shows how narrow it was.
const (
	Met    Outcome = "met"
	NotMet Outcome = "not met"
	NoData Outcome = "no data"
)

// Verdict is a target with what was measured, in the target's unit.
type Verdict struct {
	Title    string  `json:"title"`
	Scenario string  `json:"scenario"`
	Target   string  `json:"target"`
	Measured Range   `json:"measured"`
	Limit    float64 `json:"limit"`
	Least    bool    `json:"least"`
	Unit     string  `json:"unit"`
	Outcome  Outcome `json:"outcome"`
	// LowerBound says that in some run the generator was the limit.
	LowerBound bool     `json:"lower_bound"`
	Files      []string `json:"files"`
}

// Judge compares records with a target. Records are grouped by scenario.
func Judge(t plan.Target, all map[string][]*trial.Record) Verdict {
	scale := t.Scale
	if scale == 0 {
		scale = 1
	}
	v := Verdict{Title: t.Title, Scenario: t.Scenario, Limit: t.Limit, Least: t.Least, Unit: t.Unit, Outcome: NoData}
	sign := "≤"
	if t.Least {
		sign = "≥"
	}
	v.Target = strings.TrimSpace(fmt.Sprintf("%s %s %s", sign, Number(t.Limit), t.Unit))

	var records []*trial.Record
	if t.Scenario == plan.Any {
		for _, of := range all {
			records = append(records, of...)
		}
	} else {
		records = all[t.Scenario]
	}
	var values []float64
	switch t.Against {
	case plan.Value:
		values = Values(records, trial.Product, t.Figure)
	case plan.Ceiling:
		values = Ratios(records, t.Figure)
		if t.Added {
			values = Added(records, t.Figure)
		}
	default:
		base := RangeOf(Values(all[t.Against], trial.Product, t.Figure))
		if base.Median > 0 {
			for _, x := range Values(records, trial.Product, t.Figure) {
				values = append(values, x/base.Median)
			}
		}
	}
	for _, r := range records {
		if _, ok := r.Figures[t.Figure]; ok && r.Role == trial.Product && t.Scenario != plan.Any {
			v.LowerBound = v.LowerBound || r.LowerBound
			v.Files = append(v.Files, r.File)
		}
	}
	if len(values) == 0 {
		return v
	}
	v.Measured = RangeOf(values).Scaled(scale)
	decisive := v.Measured.Median
	if t.Worst && t.Least {
		decisive = v.Measured.Min
	} else if t.Worst {
		decisive = v.Measured.Max
	}
	v.Outcome = NotMet
	if t.Least && decisive >= t.Limit || !t.Least && decisive <= t.Limit {
		v.Outcome = Met
	}
	return v
}

// JudgeAll judges every target whose scenario was played.
func JudgeAll(targets []plan.Target, all map[string][]*trial.Record) []Verdict {
	var verdicts []Verdict
	for _, t := range targets {
		if _, played := all[t.Scenario]; played || t.Scenario == plan.Any {
			verdicts = append(verdicts, Judge(t, all))
		}
	}
	return verdicts
}

// Number writes a figure with as many digits as mean something.
func Number(v float64) string {
	switch a := max(v, -v); {
	case a == 0:
		return "0"
	case a >= 10_000:
		return thousands(v)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a == float64(int64(a)):
		return fmt.Sprintf("%d", int64(v))
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	case a >= 0.0001:
		return fmt.Sprintf("%.2g", v)
	default:
		return fmt.Sprintf("%.0e", v)
	}
}

func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
