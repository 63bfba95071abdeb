package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"event-dispatcher/transport/stream"
)

// A firehoseCollector turns what the firehose over WebSocket counts into metrics.
type firehoseCollector struct {
	firehose *Firehose

	consumers, lagging, delivered, skipped, bytesOut, closed, memory, latency *prometheus.Desc
}

func newFirehoseCollector(f *Firehose) *firehoseCollector {
	desc := namer("dispatcher_websocket_")
	return &firehoseCollector{
		firehose:  f,
		consumers: desc("consumers", "Open streams over WebSocket."),
		lagging:   desc("consumers_lagging", "Open streams over WebSocket that are not up to date."),
		delivered: desc("events_delivered_total", "Events written to consumers over WebSocket, counted once per consumer."),
		skipped:   desc("events_skipped_total", "Events that consumers over WebSocket were told they missed, counted once per consumer."),
		bytesOut:  desc("stream_bytes_total", "Bytes written to consumers over WebSocket."),
		closed:    desc("consumers_closed_total", "Streams over WebSocket closed, by reason.", "reason"),
		memory:    desc("ring_memory_bytes", "Memory that the log with WebSocket frames has allocated so far."),
		latency:   desc("delivery_latency_seconds", "Time from accepting an event to the end of its write to a consumer over WebSocket."),
	}
}

// Describe implements [prometheus.Collector].
func (c *firehoseCollector) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, ch)
}

// Collect implements [prometheus.Collector].
func (c *firehoseCollector) Collect(ch chan<- prometheus.Metric) {
	to := emitter(ch)
	p := c.firehose.pool.Stats()
	to.gauge(c.consumers, float64(p.Consumers))
	to.gauge(c.lagging, float64(p.Lagging))
	to.counter(c.delivered, p.Delivered)
	to.counter(c.skipped, p.Skipped)
	to.counter(c.bytesOut, p.Bytes)
	for _, why := range stream.Reasons() {
		to.counter(c.closed, p.Closed[why], why.String())
	}
	to.gauge(c.memory, float64(c.firehose.to.Stats().Allocated))
	to.histogram(c.latency, p.Latency)
}
