package plan

const kib, mib = 1 << 10, 1 << 20

// Targets returns what the product promises. Figures are those of package
// figures; limits are in the figure's unit times Scale.
func Targets() []Target {
	return []Target{
		{Title: "publish of 0.5 KB, one core", Scenario: "publish", Figure: "publish_ns", Limit: 60, Unit: "ns"},
		{Title: "publish of 0.5 KB, all cores contending", Scenario: "publish", Figure: "publish_contended_ns", Limit: 150, Unit: "ns"},
		{Title: "allocations per publish", Scenario: "publish", Figure: "publish_allocs", Limit: 0, Worst: true},
		{Title: "scanning, per event", Scenario: "publish", Figure: "read_ns", Limit: 2, Unit: "ns"},

		{Title: "ingest, server CPU per POST against a bare handler", Scenario: "ingest", Figure: "post_cpu_us", Against: Ceiling, Limit: 1.10, Unit: "×"},
		{Title: "ingest at 20,000/s, server CPU per POST against a bare handler", Scenario: "ingest-paced", Figure: "post_cpu_us", Against: Ceiling, Limit: 1.10, Unit: "×"},
		{Title: "ingest pipelined × 16, server CPU per POST against a bare handler", Scenario: "ingest-pipelined", Figure: "post_cpu_us", Against: Ceiling, Limit: 1.25, Unit: "×"},
		{Title: "ingest, connection per event, server CPU per POST against a bare handler", Scenario: "ingest-connections", Figure: "post_cpu_us", Against: Ceiling, Limit: 1.10, Unit: "×"},
		{Title: "allocations per POST, scrapes included", Scenario: "ingest-pipelined", Figure: "post_allocs", Limit: 0.01},
		{Title: "allocations per delivery, scrapes included", Scenario: "1000x12000", Figure: "delivery_allocs", Limit: 0.001},

		{Title: "batches of lines, events accepted", Scenario: "batches", Figure: "batch_rate", Least: true, Limit: 1, Scale: 1e-6, Unit: "M/s"},
		{Title: "batches of lines, server CPU per event", Scenario: "batches", Figure: "batch_cpu_us", Limit: 0.8, Unit: "µs"},
		{Title: "batches of lines, allocations per event, scrapes included", Scenario: "batches", Figure: "batch_allocs", Limit: 0.01},
		{Title: "batches in gzip, events accepted", Scenario: "batches", Figure: "batch_gzip_rate", Least: true, Limit: 1, Scale: 1e-6, Unit: "M/s"},
		{Title: "batches in gzip, server CPU per event", Scenario: "batches", Figure: "batch_gzip_cpu_us", Limit: 2.5, Unit: "µs"},
		{Title: "batches in gzip, allocations per event, scrapes included", Scenario: "batches", Figure: "batch_gzip_allocs", Limit: 0.01},

		{Title: "2 consumers, POST rate against a bare write loop", Scenario: "two-consumers", Figure: "post_rate", Against: Ceiling, Least: true, Limit: 0.95, Unit: "×"},
		{Title: "2 consumers, events skipped", Scenario: "two-consumers", Figure: "skipped", Limit: 0, Worst: true},
		{Title: "one of 2 consumers slow, events that the healthy one skips", Scenario: "production", Figure: "healthy_skipped", Limit: 0, Worst: true},

		{Title: "100 × 1,000/s, publish to receipt, p50", Scenario: "100x1000", Figure: "delivery_p50_ms", Limit: 0.5, Unit: "ms"},
		{Title: "100 × 1,000/s, publish to receipt, p99", Scenario: "100x1000", Figure: "delivery_p99_ms", Limit: 1.5, Unit: "ms"},
		{Title: "100 × 2,000/s, server CPU per delivery against a write per event", Scenario: "100x2000", Figure: "delivery_cpu_us", Against: Ceiling, Limit: 0.5, Unit: "×"},
		{Title: "1,000 × 200/s, server CPU per delivery against a bare write loop", Scenario: "1000x200", Figure: "delivery_cpu_us", Against: Ceiling, Limit: 1.10, Unit: "×"},

		{Title: "1,000 × 2,000/s, deliveries", Scenario: "1000x2000", Figure: "delivery_rate", Least: true, Limit: 1.95, Scale: 1e-6, Unit: "M/s"},
		{Title: "1,000 × 2,000/s, events skipped", Scenario: "1000x2000", Figure: "skipped", Limit: 0, Worst: true},
		{Title: "1,000 × 2,000/s, server CPU per delivery", Scenario: "1000x2000", Figure: "delivery_cpu_us", Limit: 0.5, Unit: "µs"},
		{Title: "1,000 × 2,000/s, publish to receipt, p99", Scenario: "1000x2000", Figure: "delivery_p99_ms", Limit: 15, Unit: "ms"},
		{Title: "1,000 × 2,000/s, POST p99", Scenario: "1000x2000", Figure: "post_p99_ms", Limit: 4, Unit: "ms"},
		{Title: "1,000 × 2,000/s, POST p99, the aim", Scenario: "1000x2000", Figure: "post_p99_ms", Limit: 2, Unit: "ms"},
		{Title: "1,000 × 2,000/s, server CPU per delivery against 1,000 × 200/s", Scenario: "1000x2000", Figure: "delivery_cpu_us", Against: "1000x200", Limit: 0.1, Unit: "×"},
		{Title: "1,000 × 12,000/s, deliveries", Scenario: "1000x12000", Figure: "delivery_rate", Least: true, Limit: 11, Scale: 1e-6, Unit: "M/s"},
		{Title: "1,000 × 12,000/s, server CPU per delivery", Scenario: "1000x12000", Figure: "delivery_cpu_us", Limit: 0.12, Unit: "µs"},
		{Title: "1,000 × 12,000/s, server CPU per delivery against 1,000 × 200/s", Scenario: "1000x12000", Figure: "delivery_cpu_us", Against: "1000x200", Limit: 0.04, Unit: "×"},

		{Title: "10,000 idle, resident memory per consumer", Scenario: "10000-idle", Figure: "idle_bytes", Limit: 0.5, Scale: 1. / kib, Unit: "KiB"},
		{Title: "1,000 stalled, growth of resident memory", Scenario: "1000-stalled", Figure: "growth_bytes", Limit: 4, Scale: 1. / mib, Unit: "MiB", Worst: true},
		{Title: "1,000 stalled, events that healthy consumers skip", Scenario: "1000-stalled", Figure: "healthy_skipped", Limit: 0, Worst: true},
		{Title: "100 stalled beside 100, events that healthy consumers skip", Scenario: "100-stalled", Figure: "healthy_skipped", Limit: 0, Worst: true},
		{Title: "100 stalled beside 100, p99 against nobody stalled", Scenario: "100-stalled", Figure: "delivery_p99_ms", Against: Ceiling, Limit: 1.25, Unit: "×"},
		{Title: "100 stalled beside 100, growth of resident memory (ring budget)", Scenario: "100-stalled", Figure: "growth_bytes", Limit: 64, Scale: 1. / mib, Unit: "MiB", Worst: true},

		{Title: "relay inside one process, events of 0.5 KB", Scenario: "relay-inside", Figure: "relay_rate", Least: true, Limit: 200_000, Unit: "/s"},
		{Title: "relay inside one process, events skipped", Scenario: "relay-inside", Figure: "relay_skipped", Limit: 0, Worst: true},
		{Title: "two instances and Redis, POST rate held", Scenario: "relay-20000", Figure: "post_rate", Least: true, Limit: 20_000, Unit: "/s"},
		{Title: "two instances and Redis, 20,000/s, events missing at the other", Scenario: "relay-20000", Figure: "relay_gaps", Limit: 0, Worst: true},
		{Title: "two instances and Redis, 20,000/s, events dropped by the first", Scenario: "relay-20000", Figure: "relay_drops", Limit: 0, Worst: true},
		{Title: "two instances and Redis, full rate, missing less dropped", Scenario: "relay-max", Figure: "relay_uncounted", Limit: 0, Worst: true},
		{Title: "two instances and Redis, overload, missing less dropped", Scenario: "relay-overload", Figure: "relay_uncounted", Limit: 0, Worst: true},
		{Title: "two instances and Redis, 5,000/s, publish to receipt, p99", Scenario: "relay-latency", Figure: "delivery_p99_ms", Limit: 10, Unit: "ms"},
		{Title: "two instances and Redis, 5,000/s, p99 added by the relay", Scenario: "relay-latency", Figure: "delivery_p99_ms", Against: Ceiling, Added: true, Limit: 10, Unit: "ms"},
		{Title: "two instances and NATS, full rate, POST rate against Redis", Scenario: "nats-max", Figure: "post_rate", Against: Ceiling, Least: true, Limit: 1.3, Unit: "×"},
		{Title: "two instances and NATS, full rate, missing less dropped", Scenario: "nats-max", Figure: "relay_uncounted", Limit: 0, Worst: true},
		{Title: "two instances and NATS, overload, missing less dropped", Scenario: "nats-overload", Figure: "relay_uncounted", Limit: 0, Worst: true},
		{Title: "two instances and NATS, 5,000/s, publish to receipt, p99 against Redis", Scenario: "nats-latency", Figure: "delivery_p99_ms", Against: Ceiling, Limit: 1, Unit: "×"},
		{Title: "ten instances and NATS, 5,000/s, missing less dropped", Scenario: "nats-10", Figure: "relay_uncounted", Limit: 0, Worst: true},
		{Title: "Redis stopped, POST p50 against no Redis", Scenario: "redis-stopped", Figure: "post_p50_ms", Against: Ceiling, Limit: 1.1, Unit: "×"},
		{Title: "Redis stopped, POST p99 against no Redis", Scenario: "redis-stopped", Figure: "post_p99_ms", Against: Ceiling, Limit: 1.1, Unit: "×"},
		{Title: "Redis stopped, publish to receipt, p99 against no Redis", Scenario: "redis-stopped", Figure: "delivery_p99_ms", Against: Ceiling, Limit: 1.1, Unit: "×"},
		{Title: "5,000 idle session sockets, resident memory per socket", Scenario: "5000-idle-sockets", Figure: "idle_bytes", Limit: 3, Scale: 1. / kib, Unit: "KiB"},
		{Title: "5,000 idle streams over WebSocket, resident memory per stream", Scenario: "5000-idle-websockets", Figure: "idle_bytes", Limit: 2, Scale: 1. / kib, Unit: "KiB"},

		{Title: "over WebSocket, server CPU per delivery against SSE", Scenario: "ws-1000x2000", Figure: "delivery_cpu_us", Against: Ceiling, Limit: 1.3, Unit: "×"},
		{Title: "1,000 views of a session each, server CPU against nobody listening", Scenario: "views-1000-sessions", Figure: "server_cores", Against: Ceiling, Limit: 1.5, Unit: "×"},
		{Title: "1,000 views of a session each, POST p99 against nobody listening", Scenario: "views-1000-sessions", Figure: "post_p99_ms", Against: Ceiling, Limit: 1.25, Unit: "×"},
		{Title: "1,000 views of a session each, faults", Scenario: "views-1000-sessions", Figure: "crowd_faults", Limit: 0, Worst: true},
		{Title: "64 general views, faults", Scenario: "views-64-general", Figure: "crowd_faults", Limit: 0, Worst: true},
		{Title: "mixed crowd, faults", Scenario: "views-crowd", Figure: "crowd_faults", Limit: 0, Worst: true},
		{Title: "200 that resume, lost or doubled", Scenario: "resume-200", Figure: "crowd_faults", Limit: 0, Worst: true},
		{Title: "compressed × 2,000/s, bytes against plain", Scenario: "gzip-2000", Figure: "stream_bytes", Against: Ceiling, Limit: 1. / 6, Unit: "×"},
		{Title: "compressed × 2,000/s, server CPU against plain", Scenario: "gzip-2000", Figure: "server_cores", Against: Ceiling, Limit: 1, Unit: "×"},
		{Title: "compressed × 50/s with 20 ms, bytes against plain", Scenario: "gzip-50", Figure: "stream_bytes", Against: Ceiling, Limit: 0.25, Unit: "×"},
		{Title: "compressed, faults of those that are read", Scenario: "gzip-2000", Figure: "crowd_faults", Limit: 0, Worst: true},

		{Title: "deliveries unexplained, all runs", Scenario: Any, Figure: "unexplained", Limit: 0, Worst: true},
	}
}
