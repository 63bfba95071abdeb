package figures

import (
	"math"
	"slices"

	"event-dispatcher/bench/run/trial"
)

// A Comparison is one figure of the present build and of an earlier one that was
// played in turn with it.
type Comparison struct {
	Scenario string  `json:"scenario"`
	Figure   string  `json:"figure"`
	Before   Range   `json:"before"`
	Now      Range   `json:"now"`
	Ratio    Range   `json:"ratio"` // now over before, pair by pair
	Noise    float64 `json:"noise"` // how far from 1 the ratio can be by chance
	Change   Change  `json:"change"`
	// LowerBound says that in some run the generator or the machine was the limit.
	LowerBound bool `json:"lower_bound"`
}

// Change is what a comparison shows.
type Change string

// Whether more is better depends on the figure.
const (
	Same   Change = "no change beyond noise"
	Better Change = "better"
	Worse  Change = "worse"
	TooFew Change = "too few runs to tell"
)

// compared are the figures worth comparing, and whether more of them is better.
var compared = []struct {
	figure string
	more   bool
}{
	{"post_rate", true}, {"post_cpu_us", false}, {"post_p50_ms", false}, {"post_p99_ms", false},
	{"delivery_rate", true}, {"delivery_cpu_us", false}, {"delivery_p50_ms", false}, {"delivery_p99_ms", false},
	{"server_cores", false}, {"idle_bytes", false}, {"growth_bytes", false}, {"healthy_skipped", false},
}

// Compare compares the records of one scenario, in the order they were played.
// It returns nothing if there are none of an earlier build.
//
// A change is beyond noise if it points the same way in every pair, and is larger
// than what runs of the same build differ by: half the distance between the
// quartiles of each build, over its median, the larger of the two.
func Compare(scenario string, records []*trial.Record) []Comparison {
	var out []Comparison
	for _, c := range compared {
		before, now := Values(records, trial.Before, c.figure), Values(records, trial.Product, c.figure)
		if len(before) == 0 || len(now) == 0 {
			continue
		}
		if slices.Max(before) == 0 && slices.Max(now) == 0 {
			continue
		}
		v := Comparison{Scenario: scenario, Figure: c.figure, Before: RangeOf(before), Now: RangeOf(now), Ratio: RangeOf(pairs(records, c.figure))}
		v.Noise = max(spread(before), spread(now))
		v.Change = change(v, c.more)
		for _, r := range records {
			v.LowerBound = v.LowerBound || r.LowerBound
		}
		out = append(out, v)
	}
	return out
}

func change(v Comparison, more bool) Change {
	const fewest = 2
	r := v.Ratio
	switch {
	case r.N < fewest:
		return TooFew
	case r.Min <= 1 && r.Max >= 1, math.Abs(r.Median-1) <= v.Noise:
		return Same
	case (r.Median > 1) == more:
		return Better
	}
	return Worse
}

// pairs are the ratios of neighbours: the first run to the second, the third to the
// fourth, and so on, whichever of the two was first.
func pairs(records []*trial.Record, figure string) (ratios []float64) {
	for i := 0; i+1 < len(records); i += 2 {
		of := make(map[string]float64)
		for _, r := range records[i : i+2] {
			if v, ok := r.Figures[figure]; ok && r.Usable() {
				of[r.Role] = v
			}
		}
		if before, now := of[trial.Before], of[trial.Product]; before > 0 && now > 0 {
			ratios = append(ratios, now/before)
		}
	}
	return ratios
}

// spread is half the distance between the quartiles, over the median.
func spread(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	median := RangeOf(v).Median
	if median == 0 {
		return 0
	}
	n := len(v)
	return (v[(3*n-1)/4] - v[n/4]) / 2 / median
}
