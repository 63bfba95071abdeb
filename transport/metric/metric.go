// Package metric is how a room tells what it has counted: a line per metric, at
// the moment at which somebody asks. The hot paths know nothing of Prometheus.
package metric

import "github.com/prometheus/client_golang/prometheus"

// prefix is that of the names of all metrics.
const prefix = "dispatcher_"

// A Source tells its metrics. The same ones each time, with the same labels.
type Source interface {
	Collect(to Emitter)
}

// An Emitter is where a source's values go. Labels are pairs of name and value.
type Emitter struct{ out chan<- prometheus.Metric }

// Counter tells of something that only grows.
func (e Emitter) Counter(name, help string, v uint64, labels ...string) {
	names, values := split(labels)
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(prefix+name, help, names, nil), prometheus.CounterValue, float64(v), values...)
}

// Gauge tells of something that comes and goes.
func (e Emitter) Gauge(name, help string, v float64, labels ...string) {
	names, values := split(labels)
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(prefix+name, help, names, nil), prometheus.GaugeValue, v, values...)
}

// Histogram tells of observations: their number, their sum, and how many of them
// were at most as large as each bound.
func (e Emitter) Histogram(name, help string, count uint64, sum float64, buckets map[float64]uint64, labels ...string) {
	names, values := split(labels)
	e.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc(prefix+name, help, names, nil), count, sum, buckets, values...)
}

func split(pairs []string) (names, values []string) {
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	return names, values
}

// Bool is 1 for true.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Collector makes one collector of sources, which are asked in their order.
func Collector(sources ...Source) prometheus.Collector { return collector(sources) }

type collector []Source

// Describe implements [prometheus.Collector].
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c {
		s.Collect(Emitter{ch})
	}
}
