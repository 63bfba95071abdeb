package subscribe

import (
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/stream"
)

// Collect implements [metric.Source].
func (c *Consumers) Collect(to metric.Emitter) {
	p := c.options.Pool.Stats()
	to.Counter("events_delivered_total", "Events written to consumers, counted once per consumer.", p.Delivered)
	to.Counter("events_skipped_total", "Events that consumers were told they missed, counted once per consumer.", p.Skipped)
	to.Counter("stream_bytes_total", "Bytes written to consumers.", p.Bytes)
	to.Counter("sweeps_total", "Passes of the writer loops that found events.", p.Sweeps)
	to.Gauge("consumers", "Open streams.", float64(p.Consumers))
	to.Gauge("consumers_lagging", "Open streams that are not up to date.", float64(p.Lagging))
	for _, why := range stream.Reasons() {
		to.Counter("consumers_closed_total", "Streams closed, by reason.", p.Closed[why], "reason", why.String())
	}
	to.Histogram("delivery_latency_seconds", "Time from accepting an event to the end of its write to a consumer.", p.Latency.Count, p.Latency.Sum, p.Latency.Buckets)
	to.Histogram("consumer_lag_events", "Events that a consumer was behind when it was written to.", p.Lag.Count, p.Lag.Sum, p.Lag.Buckets)
	if c.options.Firehose != nil {
		c.options.Firehose.collect(to)
	}
}

func (f *Firehose) collect(to metric.Emitter) {
	p := f.pool.Stats()
	to.Gauge("websocket_consumers", "Open streams over WebSocket.", float64(p.Consumers))
	to.Gauge("websocket_consumers_lagging", "Open streams over WebSocket that are not up to date.", float64(p.Lagging))
	to.Counter("websocket_events_delivered_total", "Events written to consumers over WebSocket, counted once per consumer.", p.Delivered)
	to.Counter("websocket_events_skipped_total", "Events that consumers over WebSocket were told they missed, counted once per consumer.", p.Skipped)
	to.Counter("websocket_stream_bytes_total", "Bytes written to consumers over WebSocket.", p.Bytes)
	for _, why := range stream.Reasons() {
		to.Counter("websocket_consumers_closed_total", "Streams over WebSocket closed, by reason.", p.Closed[why], "reason", why.String())
	}
	to.Gauge("websocket_ring_memory_bytes", "Memory that the log with WebSocket frames has allocated so far.", float64(f.to.Stats().Allocated))
	to.Histogram("websocket_delivery_latency_seconds", "Time from accepting an event to the end of its write to a consumer over WebSocket.", p.Latency.Count, p.Latency.Sum, p.Latency.Buckets)
}
