package transport

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"event-dispatcher/transport/stream"
)

// A collector turns the server's counters into metrics when it is scraped; the
// hot path knows nothing of Prometheus.
type collector struct {
	server *Server

	received, receivedBytes, rejected           *prometheus.Desc
	published, delivered, skipped, bytesOut     *prometheus.Desc
	sweeps, consumers, lagging, closed          *prometheus.Desc
	connections, clients, mostOfClient          *prometheus.Desc
	ringEvents, ringBytes, ringMemory           *prometheus.Desc
	ringAge, ringExhausted, latency, lag        *prometheus.Desc
	panics, backoffs, buildInfo, draining, wait *prometheus.Desc
}

func newCollector(s *Server) *collector {
	desc := namer("dispatcher_")
	return &collector{
		server:        s,
		received:      desc("events_received_total", "Events that players sent, accepted or not."),
		receivedBytes: desc("accepted_bytes_total", "Bytes of the bodies of accepted events."),
		rejected:      desc("requests_rejected_total", "Requests refused, by reason.", "reason"),
		published:     desc("events_published_total", "Events put into the ring, those known to be lost on the way from other instances included."),
		delivered:     desc("events_delivered_total", "Events written to consumers, counted once per consumer."),
		skipped:       desc("events_skipped_total", "Events that consumers were told they missed, counted once per consumer."),
		bytesOut:      desc("stream_bytes_total", "Bytes written to consumers."),
		sweeps:        desc("sweeps_total", "Passes of the writer loops that found events."),
		consumers:     desc("consumers", "Open streams."),
		lagging:       desc("consumers_lagging", "Open streams that are not up to date."),
		closed:        desc("consumers_closed_total", "Streams closed, by reason.", "reason"),
		connections:   desc("connections", "Open HTTP connections on the public listeners, streams not counted."),
		clients:       desc("clients", "Clients that hold connections; 0 if -client-connections is off."),
		mostOfClient:  desc("client_connections_max", "Connections of the client that holds most; 0 if -client-connections is off."),
		ringEvents:    desc("ring_events", "Events that a slow consumer could still get."),
		ringBytes:     desc("ring_bytes", "Bytes of the events in the ring."),
		ringMemory:    desc("ring_memory_bytes", "Memory of the ring, used or not."),
		ringAge:       desc("ring_oldest_event_age_seconds", "Age of the oldest event in the ring; 0 if it is empty."),
		ringExhausted: desc("ring_exhausted_total", "Events refused because no part of the ring could be recycled."),
		latency:       desc("delivery_latency_seconds", "Time from accepting an event to the end of its write to a consumer."),
		lag:           desc("consumer_lag_events", "Events that a consumer was behind when it was written to."),
		panics:        desc("panics_total", "Panics recovered in request handlers."),
		backoffs:      desc("accept_backoffs_total", "Times that accepting connections failed for want of descriptors or memory, and was tried again."),
		buildInfo:     desc("build_info", "Always 1; the labels say what is running.", "version", "go_version"),
		draining:      desc("draining", "1 while the service shuts down, from the beginning of the lead on."),
		wait:          desc("loop_wait_seconds", "How long the slowest writer loop has had events waiting; 0 if none."),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, ch)
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	to := emitter(ch)
	s := c.server

	to.counter(c.received, s.counters.received.Load())
	to.counter(c.receivedBytes, s.counters.bytes.Load())
	for r := range reasonCount {
		to.counter(c.rejected, s.rejected[r].Load(), r.String())
	}
	to.gauge(c.connections, float64(s.public.open.len()))
	clients, most := s.places.stats()
	to.gauge(c.clients, float64(clients))
	to.gauge(c.mostOfClient, float64(most))

	// The pool first: what was delivered was published before.
	p := s.pool.Stats()
	to.counter(c.delivered, p.Delivered)
	to.counter(c.skipped, p.Skipped)
	to.counter(c.bytesOut, p.Bytes)
	to.counter(c.sweeps, p.Sweeps)
	to.gauge(c.consumers, float64(p.Consumers))
	to.gauge(c.lagging, float64(p.Lagging))
	for _, why := range stream.Reasons() {
		to.counter(c.closed, p.Closed[why], why.String())
	}
	to.histogram(c.latency, p.Latency)
	to.histogram(c.lag, p.Lag)

	b := s.broker.Stats()
	to.counter(c.published, b.Published)
	to.gauge(c.ringEvents, float64(b.Retained))
	to.gauge(c.ringBytes, float64(b.Bytes))
	to.gauge(c.ringMemory, float64(b.Allocated))
	to.gauge(c.ringAge, b.OldestAge.Seconds())
	to.counter(c.ringExhausted, b.Exhausted)

	to.counter(c.panics, s.panics.Load())
	to.counter(c.backoffs, s.backoffs.Load())
	to.gauge(c.buildInfo, 1, s.options.Version, runtime.Version())
	to.gauge(c.draining, boolean(s.unready.Load()))
	to.gauge(c.wait, s.waiting().Seconds())
}

// Registry returns a new registry with the server's metrics, those of the Go
// runtime and those of the process.
func (s *Server) Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.relay != nil {
		r.MustRegister(newRelayCollector(s.relay))
	}
	if s.options.Firehose != nil {
		r.MustRegister(newFirehoseCollector(s.options.Firehose))
	}
	if s.options.Sessions != nil {
		r.MustRegister(newSessionCollector(s.options.Sessions, s.options.SessionStore))
	}
	return r
}

// metricsHandler serves the Prometheus exposition.
func (s *Server) metricsHandler() fasthttp.RequestHandler {
	return fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(s.Registry(), promhttp.HandlerOpts{}))
}
