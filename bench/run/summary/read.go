package summary

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/trial"
)

// Read reads the results of an earlier run back, raw records included. Without a
// summary.json it sums the records up again.
func Read(dir string) (*Summary, error) {
	s := new(Summary)
	switch err := readJSON(filepath.Join(dir, "summary.json"), s); {
	case errors.Is(err, fs.ErrNotExist):
		return sumUp(dir)
	case err != nil:
		return nil, err
	}
	for i := range s.Scenarios {
		sc := &s.Scenarios[i]
		for _, sub := range sc.Subjects {
			for _, file := range sub.Files {
				if !strings.HasSuffix(file, ".json") {
					continue // the output of go test -bench has no curves
				}
				r := new(trial.Record)
				if err := readJSON(filepath.Join(dir, file), r); err != nil {
					return nil, err
				}
				sc.Records = append(sc.Records, r)
			}
		}
		slices.SortFunc(sc.Records, func(a, b *trial.Record) int { return a.Order - b.Order })
	}
	return s, nil
}

// sumUp makes a summary of the raw records alone. Of the machine it knows what the load
// told; how the run was started it does not know.
func sumUp(dir string) (*Summary, error) {
	names, err := filepath.Glob(filepath.Join(dir, "raw", "*.json"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("%s has neither summary.json nor raw/*.json: %w", dir, errors.Join(err, fs.ErrNotExist))
	}
	var records []*trial.Record
	scenarios, targets := plan.Scenarios(), plan.Targets()
	for _, name := range names {
		r := new(trial.Record)
		if err := readJSON(name, r); err != nil {
			return nil, err
		}
		records = append(records, r)
		if r.Role == trial.Before {
			scenarios, targets = plan.Against(plan.Scenarios()), plan.Everywhere(plan.Targets())
		}
	}
	slices.SortFunc(records, func(a, b *trial.Record) int { return a.Started.Compare(b.Started) })
	first, last := records[0], records[len(records)-1]
	meta := Meta{
		Date: first.Started, Host: first.Machine, Go: first.Go, Commit: first.Commit, Command: []string{"go", "run", "./run", "…"},
		LoadBefore: first.LoadBefore, LoadAfter: last.LoadAfter, Seconds: last.Started.Sub(first.Started).Seconds(),
	}
	for _, r := range records {
		if r.Report != nil {
			m := r.Report.Machine
			meta.CPU, meta.Cores, meta.Memory, meta.Kernel = m.CPU, m.Cores, m.Memory, m.Kernel
			break
		}
	}
	return Build(meta, scenarios, targets, records), nil
}

func readJSON(name string, v any) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
