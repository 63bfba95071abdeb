package subscribe

import (
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
)

// Collect implements [metric.Source].
func (c *Consumers) Collect(to metric.Emitter) {
	p := c.options.Pool.Stats()
	for _, kind := range wire.Kinds() {
		of := p.Wires[kind]
		to.Gauge("consumers", "Open streams, by wire.", float64(of.Consumers), "wire", kind.String())
		to.Counter("events_delivered_total", "Events written to consumers, counted once per consumer, by wire.", of.Delivered, "wire", kind.String())
		to.Counter("stream_bytes_total", "Bytes written to consumers, by wire.", of.Bytes, "wire", kind.String())
	}
	to.Counter("events_skipped_total", "Events that consumers were told they missed, counted once per consumer.", p.Skipped)
	to.Counter("events_passed_over_total", "Events that consumers had asked not to get, counted once per consumer.", p.PassedOver)
	to.Counter("sweeps_total", "Passes of the writer loops that found events.", p.Sweeps)
	to.Gauge("consumers_lagging", "Open streams that are not up to date.", float64(p.Lagging))
	to.Gauge("lag_bytes", "Memory for what consumers that are behind have taken a part of, and for conflated views.", float64(p.Kept))
	to.Gauge("views", "Different views that consumers have.", float64(p.Views))
	to.Gauge("views_compressed", "Different views that consumers have and that are compressed.", float64(p.Compressed))
	parts := c.options.Views.InUse()
	for _, of := range []struct {
		part string
		n    int
	}{{"equality", parts.Selects}, {"further", parts.Further}, {"general", parts.General}, {"members", parts.Shapes}, {"conflated", parts.Conflated}} {
		to.Gauge("view_parts", "Different selections with an equality (and their further conditions) and without (general), members, and conflated views, that consumers ask for or asked for lately.", float64(of.n), "part", of.part)
	}
	for _, why := range stream.Reasons() {
		to.Counter("consumers_closed_total", "Streams closed, by reason.", p.Closed[why], "reason", why.String())
	}
	to.Histogram("delivery_latency_seconds", "Time from accepting an event to the end of its write to a consumer.", p.Latency.Count, p.Latency.Sum, p.Latency.Buckets)
	to.Histogram("consumer_lag_events", "Events that a consumer was behind when it was written to.", p.Lag.Count, p.Lag.Sum, p.Lag.Buckets)
}
