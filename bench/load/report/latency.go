package report

import "github.com/HdrHistogram/hdrhistogram-go"

// Latency is a distribution in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Max   float64 `json:"max_us"`
	// Curve is enough to plot percentiles: the usual logarithmic steps
	// towards 100.
	Curve []Point `json:"curve,omitempty"`
}

// Point says that so many percent of the values were at most so large.
type Point struct {
	Percentile float64 `json:"percentile"`
	Value      float64 `json:"us"`
	Count      int64   `json:"count"` // values at most so large
}

// NewLatency summarizes a histogram of nanoseconds; nil is an empty one.
func NewLatency(h *hdrhistogram.Histogram) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{}
	}
	l := Latency{
		Count: h.TotalCount(),
		P50:   micros(h.ValueAtQuantile(50)),
		P90:   micros(h.ValueAtQuantile(90)),
		P99:   micros(h.ValueAtQuantile(99)),
		P999:  micros(h.ValueAtQuantile(99.9)),
		Max:   micros(h.Max()),
	}
	for _, b := range h.CumulativeDistributionWithTicks(10) {
		l.Curve = append(l.Curve, Point{Percentile: b.Quantile, Value: micros(b.ValueAt), Count: b.Count})
	}
	return l
}

func micros(ns int64) float64 { return float64(ns) / 1000 }
