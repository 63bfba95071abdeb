package figures

import (
	"testing"

	"event-dispatcher/bench/run/trial"
)

// turns plays pairs of an earlier build and the present one, the first of which
// changes with each pair.
func turns(figure string, before, now []float64) (records []*trial.Record) {
	for i := range before {
		pair := []*trial.Record{
			{Role: trial.Before, Figures: map[string]float64{figure: before[i]}},
			{Role: trial.Product, Figures: map[string]float64{figure: now[i]}},
		}
		if i%2 == 1 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		records = append(records, pair...)
	}
	return records
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name, figure string
		before, now  []float64
		want         Change
	}{
		{"the same", "post_cpu_us", []float64{10, 11, 10, 12}, []float64{10, 10, 11, 12}, Same},
		{"one pair points elsewhere", "post_cpu_us", []float64{10, 10, 10, 10}, []float64{12, 12, 9, 12}, Same},
		{"within what runs differ by", "post_cpu_us", []float64{10, 20, 10, 20}, []float64{11, 21, 11, 21}, Same},
		{"a slow phase of the machine", "post_cpu_us", []float64{10, 10, 30, 30}, []float64{10.1, 9.9, 30, 31}, Same},
		{"dearer", "post_cpu_us", []float64{10, 10.1, 10, 10}, []float64{12, 12.1, 12, 12}, Worse},
		{"cheaper", "post_cpu_us", []float64{10, 10.1, 10, 10}, []float64{8, 8.1, 8, 8}, Better},
		{"more is better of a rate", "post_rate", []float64{10, 10.1, 10, 10}, []float64{12, 12.1, 12, 12}, Better},
		{"less is worse of a rate", "post_rate", []float64{10, 10.1, 10, 10}, []float64{8, 8.1, 8, 8}, Worse},
		{"one pair", "post_cpu_us", []float64{10}, []float64{20}, TooFew},
	} {
		got := Compare("s", turns(tt.figure, tt.before, tt.now))
		if len(got) != 1 || got[0].Change != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
	}
	if got := Compare("s", played("p1", "c2", "p3")); got != nil {
		t.Errorf("without an earlier build: %+v", got)
	}
}
