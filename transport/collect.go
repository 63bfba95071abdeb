package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"event-dispatcher/transport/stream"
)

// namer makes the descriptions of metrics whose names begin with prefix.
func namer(prefix string) func(name, help string, labels ...string) *prometheus.Desc {
	return func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
}

// An emitter is where a collector's values go.
type emitter chan<- prometheus.Metric

func (e emitter) counter(d *prometheus.Desc, v uint64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) histogram(d *prometheus.Desc, h stream.Histogram) {
	e <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, h.Buckets)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
