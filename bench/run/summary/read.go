package summary

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"event-dispatcher/bench/run/trial"
)

// Read reads the results of an earlier run back, raw records included.
func Read(dir string) (*Summary, error) {
	s := new(Summary)
	if err := readJSON(filepath.Join(dir, "summary.json"), s); err != nil {
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
