// Package summary sums up what was played, for programs (summary.json) and for
// people (summary.md). Package page makes the HTML report of the same.
package summary

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/figures"
	"event-dispatcher/bench/run/trial"
)

// Meta says where, when and how figures were taken.
type Meta struct {
	Date       time.Time `json:"date"`
	Host       string    `json:"host"`
	CPU        string    `json:"cpu"`
	Cores      int       `json:"cores"`
	Memory     int64     `json:"memory"`
	Kernel     string    `json:"kernel"`
	Go         string    `json:"go"`
	Commit     string    `json:"commit"`
	Command    []string  `json:"command"`
	Quick      bool      `json:"quick"`
	LoadFlags  []string  `json:"load_flags,omitempty"` // added to every load; they win
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`
	Seconds    float64   `json:"seconds"`
}

// Summary is everything but the raw records.
type Summary struct {
	Meta      Meta              `json:"meta"`
	Verdicts  []figures.Verdict `json:"verdicts"`
	Scenarios []Scenario        `json:"scenarios"`
	// Comparisons with an earlier build, if it was played.
	Comparisons []figures.Comparison `json:"comparisons,omitempty"`
	Failures    []string             `json:"failures"` // runs that must not fail, and did
}

// Scenario is one scenario with a row per subject.
type Scenario struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Note  string `json:"note,omitempty"`
	Load  string `json:"load"`
	// SideBySide says that rivals were played as often as the product, as it was.
	SideBySide bool      `json:"side_by_side,omitempty"`
	Subjects   []Subject `json:"subjects"`

	// Records are in the order they were played; they are in files of their own.
	Records []*trial.Record `json:"-"`
}

// Subject is one server in one scenario.
type Subject struct {
	Name       string                   `json:"name"`
	Role       string                   `json:"role"`
	Runs       int                      `json:"runs"`
	Failed     int                      `json:"failed"`
	LowerBound bool                     `json:"lower_bound"`
	Figures    map[string]figures.Range `json:"figures"`
	Errors     []string                 `json:"errors"` // the first of each failed run
	Files      []string                 `json:"files"`
}

// Build sums records up. Scenarios that were not played are left out.
func Build(meta Meta, scenarios []plan.Scenario, targets []plan.Target, records []*trial.Record) *Summary {
	s := &Summary{Meta: meta, Failures: []string{}}
	grouped := make(map[string][]*trial.Record)
	for _, r := range records {
		grouped[r.Scenario] = append(grouped[r.Scenario], r)
		if r.Failed() && r.Role != trial.Rival {
			for _, e := range r.Errors {
				s.Failures = append(s.Failures, fmt.Sprintf("%s, %s, run %d: %s", r.Scenario, r.Subject, r.Order, e))
			}
		}
	}
	for _, sc := range scenarios {
		if of := grouped[sc.Name]; len(of) > 0 {
			s.Scenarios = append(s.Scenarios, build(sc, of, meta.LoadFlags))
			s.Comparisons = append(s.Comparisons, figures.Compare(sc.Name, of)...)
		}
	}
	s.Verdicts = figures.JudgeAll(targets, grouped)
	return s
}

func build(sc plan.Scenario, records []*trial.Record, more []string) Scenario {
	out := Scenario{Name: sc.Name, Title: sc.Title, Note: sc.Note, SideBySide: sc.SideBySide, Records: records}
	for _, w := range sc.Load {
		out.Load += w + " "
	}
	if sc.Bench == nil {
		out.Load += fmt.Sprintf("-warmup %v -duration %v", sc.Warmup, sc.Duration)
		for _, w := range more {
			out.Load += " " + w
		}
	}
	var names []string
	for _, r := range records {
		if !slices.Contains(names, r.Subject) {
			names = append(names, r.Subject)
		}
	}
	for _, name := range names {
		var mine []*trial.Record
		for _, r := range records {
			if r.Subject == name {
				mine = append(mine, r)
			}
		}
		out.Subjects = append(out.Subjects, subject(name, mine))
	}
	return out
}

func subject(name string, records []*trial.Record) Subject {
	s := Subject{Name: name, Role: records[0].Role, Runs: len(records), Figures: make(map[string]figures.Range), Errors: []string{}}
	for _, r := range records {
		s.LowerBound = s.LowerBound || r.LowerBound
		if r.Failed() {
			s.Failed++
			s.Errors = append(s.Errors, r.Errors[0])
		}
		if !slices.Contains(s.Files, r.File) {
			s.Files = append(s.Files, r.File)
		}
	}
	for _, figure := range figures.Names(records) {
		if v := figures.Values(records, s.Role, figure); len(v) > 0 {
			s.Figures[figure] = figures.RangeOf(v)
		}
	}
	return s
}

// Missed counts the targets that were measured and not met.
func (s *Summary) Missed() (n int) {
	for _, v := range s.Verdicts {
		if v.Outcome == figures.NotMet {
			n++
		}
	}
	return n
}

// WriteJSON stores the summary in a file.
func (s *Summary) WriteJSON(name string) error {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("encode the summary: %w", err)
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
