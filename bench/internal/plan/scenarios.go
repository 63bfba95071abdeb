package plan

import (
	"slices"
	"strings"
	"time"
)

func flags(s string) []string { return strings.Fields(s) }

const ms, s = time.Millisecond, time.Second

// Scenarios returns all of them, in the order they are played.
func Scenarios() []Scenario {
	return slices.Concat(ingest(), fanOut(), choices(), relays(), idleSockets())
}

// ingest are scenarios in which what comes in is the load.
func ingest() []Scenario {
	return []Scenario{
		{
			Name: "publish", Title: "publish and read, inside the process",
			Note: "go test -bench in broker/ring; the raw file is what benchstat reads. The mutex is a ring of bytes behind a lock, the rival of the same run.",
			Bench: &GoBench{
				Package: "./broker/ring",
				Pattern: `^Benchmark(Publish|Read)$/^bytes=512$|^BenchmarkPublishParallel$/^rival=(ring|mutex)$/^shards=1$`,
				Figures: map[string]string{
					"BenchmarkPublish/bytes=512 ns/op":                    "publish_ns",
					"BenchmarkPublish/bytes=512 allocs/op":                "publish_allocs",
					"BenchmarkPublishParallel/rival=ring/shards=1 ns/op":  "publish_contended_ns",
					"BenchmarkPublishParallel/rival=mutex/shards=1 ns/op": "publish_mutex_ns",
					"BenchmarkRead/bytes=512 ns/event":                    "read_ns",
				},
			},
			Repetitions: 5, Duration: 200 * ms,
			Quick: &Quick{Repetitions: 1, Duration: 100 * ms},
		},
		{
			Name: "ingest", Title: "ingest: 32 connections, as fast as they go, no consumers",
			Load:    flags("-consumers 0 -conns 32 -rate max -size 512"),
			Compare: &Compare{Pairs: 6, Warmup: 1 * s, Duration: 2 * s},
			Warmup:  1500 * ms, Duration: 2 * s, Repetitions: 7,
			Ceiling: bareHandler, Product: product,
			Quick: &Quick{Repetitions: 1, Warmup: 1500 * ms, Duration: 1500 * ms},
		},
		{
			Name: "ingest-paced", Title: "ingest: 32 connections, 20,000 POST/s (open loop), no consumers",
			Load:   flags("-consumers 0 -conns 32 -rate 20000 -size 512"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: bareHandler, Product: product,
		},
		{
			Name: "ingest-pipelined", Title: "ingest: 32 connections, 16 events under way on each, no consumers",
			Load:   flags("-consumers 0 -conns 32 -pipeline 16 -rate max -size 512"),
			Warmup: 1 * s, Duration: 2 * s, Repetitions: 7,
			Ceiling: bareHandler, Product: product,
			Quick: &Quick{Repetitions: 1, Warmup: 1 * s, Duration: 1500 * ms},
		},
		{
			Name: "ingest-connections", Title: "ingest: a new connection for every event",
			Load:   flags("-consumers 0 -conns 32 -per-event -rate max -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 3,
			Ceiling: bareHandler, Product: product,
		},
		{
			Name: "batches", Title: "ingest: batches of 500 events of 0.5 KB over 4 connections, as fast as they go, one consumer",
			Note: "go test -bench in internal/batches against the built program. Server CPU includes the writes to the consumer, which is skipped ahead: nobody reads a million events a second on what is left of the machine.",
			Bench: &GoBench{
				Package: "./internal/batches",
				Pattern: `^BenchmarkBatches$`,
				Figures: map[string]string{
					"BenchmarkBatches/coding=identity events/s":      "batch_rate",
					"BenchmarkBatches/coding=identity cpu-µs/event":  "batch_cpu_us",
					"BenchmarkBatches/coding=identity mallocs/event": "batch_allocs",
					"BenchmarkBatches/coding=gzip events/s":          "batch_gzip_rate",
					"BenchmarkBatches/coding=gzip cpu-µs/event":      "batch_gzip_cpu_us",
					"BenchmarkBatches/coding=gzip mallocs/event":     "batch_gzip_allocs",
				},
			},
			Repetitions: 5, Duration: 2 * s,
			Quick: &Quick{Repetitions: 1, Duration: 200 * ms},
		},
		{
			Name: "production", Title: "production shape: full-rate POST of session events, 2 consumers, one of them slow",
			Note:   "The slow consumer reads 64 KB/s and is skipped ahead. The write loop cannot play: its slowest consumer sets the pace.",
			Load:   flags("-consumers 2 -sample 1 -slow 1 -slow-rate 64000 -conns 32 -rate max -sessions"),
			Warmup: 2 * s, Duration: 4 * s, Repetitions: 3,
			Product: product, Rivals: []Subject{chanHub},
		},
		{
			Name: "two-consumers", Title: "full-rate POST, 2 consumers, nothing skipped",
			Load:   flags("-consumers 2 -sample 0 -conns 32 -rate max -size 512"),
			Warmup: 1500 * ms, Duration: 2 * s, Repetitions: 7,
			Ceiling: writeLoop, Product: product, Rivals: []Subject{chanHub},
			Quick: &Quick{Repetitions: 1, Warmup: 1500 * ms, Duration: 1500 * ms},
		},
	}
}

// idleSockets are scenarios of WebSockets on which nothing happens.
func idleSockets() []Scenario {
	return []Scenario{
		{
			Name: "5000-idle-sockets", Title: "5,000 idle session sockets, each a user of one practice",
			Note:   "Memory as with idle consumers. The product pings every 2 s, not every 25, so that memory and answers include that.",
			Load:   flags("-consumers 0 -rate 0 -sockets 5000 -rehearsal 1000"),
			Warmup: 7 * s, Duration: 1 * s, Repetitions: 2,
			Product: with("-socket-ping", "2s"),
		},
		{
			Name: "5000-idle-websockets", Title: "5,000 idle streams over WebSocket",
			Note:   "As 5000-idle-sockets; streams are pinged as often as -keep-alive says.",
			Load:   flags("-consumers 0 -rate 0 -sockets 5000 -rehearsal 1000 -socket-path /event-dispatcher"),
			Warmup: 7 * s, Duration: 1 * s, Repetitions: 2,
			Product: with("-keep-alive", "2s"),
		},
	}
}
