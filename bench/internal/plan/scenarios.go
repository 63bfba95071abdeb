package plan

import (
	"fmt"
	"strings"
	"time"
)

// general asks for n views that nothing can be looked up for.
func general(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " -crowd 1:sse:where=data.position>%d&where=event_name!=START", 31_000_000_000+i)
	}
	return b.String()
}

// mixed is one of each kind of consumer, and more.
const mixed = "-crowd 10:sse -crowd 10:sse:where=event_name=ERROR,STOP -crowd 10:ndjson:where=session_id={n} " +
	"-crowd 5:sse:sample=0.3&by=session_id -crowd 5:sse:members=event_name,session_id,data.position " +
	"-crowd 5:sse:every=500ms&latest=session_id -crowd 5:sse:max_delay=200ms -crowd 5:sse:encoding=gzip -crowd 5:ndjson:encoding=gzip " +
	"-crowd 10:ws -crowd 5:ws:where=data.platform=Web&where=event_name!=ERROR -crowd 5:ndjson -crowd 5:sse+stall -crowd 20:sse+resume:ids=1 " +
	"-crowd 5:ndjson+resume:ids=1 -crowd 5:ws+resume:ids=1"

func flags(s string) []string { return strings.Fields(s) }

const ms, s = time.Millisecond, time.Second

// grid returns a scenario of the grid that benchmarks of SSE servers often use: few small
// events, and ten times the consumers each time.
func grid(consumers int) Scenario {
	return Scenario{
		Name: fmt.Sprint("grid-", consumers), Title: fmt.Sprintf("%d consumers × 50 events/s of 256 bytes", consumers), SideBySide: true,
		Load:   flags(fmt.Sprintf("-consumers %d -sample -1 -conns 8 -rate 50 -size 256", consumers)),
		Warmup: 500 * ms, Duration: 4 * s, Repetitions: 2,
		Product: product, Rivals: rivals,
	}
}

// Scenarios returns all of them, in the order they are played.
func Scenarios() []Scenario {
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
		{
			Name: "100x1000", Title: "100 consumers × 1,000 events/s",
			Load:    flags("-consumers 100 -sample 2 -rate 1000 -size 512"),
			Compare: &Compare{Pairs: 6, Warmup: 1 * s, Duration: 2500 * ms},
			Warmup:  1 * s, Duration: 4 * s, Repetitions: 3,
			Product: product, Rivals: []Subject{chanHub, netHub},
			Quick: &Quick{Repetitions: 1, Warmup: 1 * s, Duration: 1500 * ms},
		},
		grid(1),
		grid(10),
		grid(100),
		grid(1000),
		{
			Name: "rivals", Title: "100 consumers × 1,000 events/s of 0.5 KB, all rivals", SideBySide: true,
			Load:   flags("-consumers 100 -sample -1 -rate 1000 -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 2,
			Product: product, Rivals: append([]Subject{netHub}, rivals...),
		},
		{
			Name: "100x2000", Title: "100 consumers × 2,000 events/s",
			Load:   flags("-consumers 100 -sample 2 -rate 2000 -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 3,
			Ceiling: writeEach, Product: product,
			Quick: &Quick{Repetitions: 1, Warmup: 500 * ms, Duration: 1500 * ms},
		},
		{
			Name: "1000x200", Title: "1,000 consumers × 200 events/s",
			Note:   "One event takes the loop most of the time until the next, so there are few to batch: this is the cost of a delivery by itself.",
			Load:   flags("-consumers 1000 -sample 2 -rate 200 -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 3,
			Ceiling: writeLoop, Product: product, Rivals: []Subject{chanHub, netHub},
			Quick: &Quick{Repetitions: 1, Warmup: 500 * ms, Duration: 1500 * ms},
		},
		{
			Name: "1000x2000", Title: "1,000 consumers × 2,000 events/s",
			Load:    flags("-consumers 1000 -sample 2 -rate 2000 -size 512"),
			Compare: &Compare{Pairs: 6, Warmup: 1500 * ms, Duration: 3 * s},
			Warmup:  1500 * ms, Duration: 4 * s, Repetitions: 3,
			Product: product, Rivals: []Subject{chanHub},
			Quick: &Quick{Repetitions: 1, Warmup: 1 * s, Duration: 1500 * ms},
		},
		{
			Name: "1000x12000", Title: "1,000 consumers × 12,000 events/s",
			Note:    "12 million deliveries, 6 GB, per second are near what the machine can copy: the rate may be the machine's, not the product's.",
			Load:    flags("-consumers 1000 -sample 1 -rate 12000 -size 512"),
			Compare: &Compare{Pairs: 5, Warmup: 1500 * ms, Duration: 2500 * ms},
			Warmup:  1500 * ms, Duration: 4 * s, Repetitions: 3,
			Product: product,
			Quick:   &Quick{Repetitions: 1, Warmup: 1 * s, Duration: 1500 * ms},
		},
		{
			Name: "10000-idle", Title: "10,000 idle consumers",
			Note:    "Memory is compared with that of the process without consumers, after 1,000 WebSockets came and went, and is read 7 s after the last join: the garbage of the handshakes is gone both times.",
			Load:    flags("-consumers 10000 -sample 1 -rate 0 -rehearsal 1000"),
			Compare: &Compare{Pairs: 2, Warmup: 7 * s, Duration: 1 * s},
			Warmup:  7 * s, Duration: 1 * s, Repetitions: 2,
			Product: with("-max-consumers", "10000"), // or they would be as many as the system has descriptors for
			Quick:   &Quick{Repetitions: 1, Warmup: 6500 * ms, Duration: 500 * ms},
		},
		{
			Name: "1000-stalled", Title: "1,000 stalled consumers and full-rate POST for a minute",
			Note:   "Stalled consumers read nothing from the first event on; at the end they do, so that their books are balanced, too (not in a quick run). The product runs with -stall-timeout 10m, because it would cut them after 30 s and have less to carry.",
			Load:   flags("-consumers 1002 -sample 2 -stalled 1000 -stall-at-once -rate max -size 512"),
			Warmup: 4 * s, Duration: 60 * s, Settle: 60 * s, Repetitions: 1,
			Product: with("-stall-timeout", "10m"),
			Quick:   &Quick{Repetitions: 1, Warmup: 3 * s, Duration: 3 * s, Load: flags("-stall-forever")},
		},
		{
			Name: "100-stalled", Title: "100 stalled consumers beside 100 healthy ones, 5,000 events/s",
			Note:    "The ceiling is the product itself with the 100 healthy consumers alone.",
			Load:    flags("-consumers 200 -sample 4 -stalled 100 -stall-at-once -rate 5000 -size 512"),
			Compare: &Compare{Pairs: 4, Warmup: 1500 * ms, Duration: 2500 * ms},
			Warmup:  1500 * ms, Duration: 4 * s, Settle: 30 * s, Repetitions: 3,
			Ceiling: &Subject{Name: "nobody stalls", Program: product.Program, Args: product.Args, Load: flags("-consumers 100 -stalled 0")},
			Product: product,
		},
		{
			Name: "ws-1000x2000", Title: "1,000 consumers over WebSocket × 2,000 events/s, beside the same over SSE",
			Note:   "The ceiling is the product itself over SSE.",
			Load:   flags("-consumers 1000 -sample 2 -rate 2000 -size 512"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: named("over SSE", product), Product: loaded(product, "-wire ws"),
		},
		{
			Name: "views-1000-sessions", Title: "1,000 consumers with 1,000 distinct where=session_id, 5,000 events/s",
			Note:   "The ceiling is the same load with nobody listening. Events are of 1,000 sessions, and each account is closed by what the generator knows it published.",
			Load:   flags("-consumers 0 -rate 5000 -size 512 -varied 1000"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: named("nobody listens", product), Product: loaded(product, "-crowd 1000:sse:where=session_id={n}"),
		},
		{
			Name: "views-64-general", Title: "64 distinct views without an equality, 5,000 events/s",
			Note:   "Each is evaluated for every event. The ceiling is the same load with nobody listening.",
			Load:   flags("-consumers 0 -rate 5000 -size 512 -varied 1000"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: named("nobody listens", product), Product: loaded(product, general(64)),
		},
		{
			Name: "views-crowd", Title: "a mixed crowd: plain, filtered, sampled, shaped, conflated, compressed, WebSocket, NDJSON, stalled, resumed",
			Load:   flags("-consumers 20 -sample 2 -rate 1000 -size 512 -varied 200 " + mixed),
			Warmup: 1 * s, Duration: 10 * s, Settle: 30 * s, Repetitions: 1,
			Product: product,
		},
		{
			Name: "resume-200", Title: "200 consumers that leave at random and resume, 1,000 events/s, for a minute",
			Note:   "They leave wherever they are, also inside an event. Each event carries its id, so none comes again: repeated and doubled must be 0.",
			Load:   flags("-consumers 0 -rate 1000 -size 512 -varied 200 -crowd 200:sse+resume:ids=1 -crowd-stay 3s"),
			Warmup: 1 * s, Duration: 60 * s, Settle: 30 * s, Repetitions: 1,
			Product: product,
		},
		{
			Name: "gzip-2000", Title: "1,000 compressed consumers × 2,000 events/s, beside plain ones",
			Note:   "The ceiling is the product itself with plain consumers. Compressed streams are counted by bytes; two of them are read and balanced.",
			Load:   flags("-consumers 1000 -sample 2 -rate 2000 -size 512 -varied 200"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: named("plain", product), Product: loaded(product, "-query encoding=gzip -opaque -crowd 2:sse:encoding=gzip"),
		},
		{
			Name: "gzip-50", Title: "100 compressed consumers × 50 events/s with 20 ms, beside plain ones",
			Load:   flags("-consumers 100 -sample 2 -rate 50 -size 512 -varied 200"),
			Warmup: 1500 * ms, Duration: 4 * s, Repetitions: 3,
			Ceiling: named("plain", product), Product: loaded(product, "-query encoding=gzip&max_delay=20ms -opaque -crowd 2:sse:encoding=gzip&max_delay=20ms"),
		},
		{
			Name: "relay-inside", Title: "from broker to broker through Redis, inside one process, events of 0.5 KB",
			Note: "go test -bench in broker/relay, with a redis-server beside it.",
			Bench: &GoBench{
				Package: "./broker/relay",
				Pattern: `^BenchmarkBrokerToBroker$`,
				Figures: map[string]string{
					"BenchmarkBrokerToBroker events/s": "relay_rate",
					"BenchmarkBrokerToBroker skipped":  "relay_skipped",
				},
			},
			Repetitions: 3, Duration: 1 * s,
		},
		{
			Name: "relay-20000", Title: "two instances and a Redis, 20,000 POST/s at the one, 2 consumers at the other",
			Note:   "Open loop, 1 % above the rate that is promised. CPU time is that of both instances and Redis.",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate 20200 -size 512"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Product: relayed(),
		},
		{
			Name: "relay-max", Title: "two instances and a Redis, POST as fast as 32 connections go, 2 consumers at the other instance",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate max -size 512"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Product: relayed(),
		},
		{
			Name: "relay-overload", Title: "the same with an outbox of 256 KiB and 16 events under way on each connection: more than can be carried",
			Note:   "What the first instance drops is missing at the other, and told to its consumers: the ledger is theirs. With its default of 16 MiB the outbox is often enough even here.",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -pipeline 16 -rate max -size 512"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Product: relayed("-redis-outbox-bytes", "262144", "-max-body", "4096"),
		},
		{
			Name: "relay-latency", Title: "two instances and a Redis, 5,000 events/s (open loop), 2 consumers at the other instance",
			Note:   "The ceiling is the same processes under the same load with the consumers at the instance that is posted to, so the difference is the way through Redis.",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate 5000 -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 5,
			Ceiling: named("consumers near", relayed()), Product: relayed(),
		},
		{
			Name: "nats-max", Title: "two instances and a NATS, POST as fast as 32 connections go, 2 consumers at the other instance, beside the same over Redis",
			Note:   "The ceiling is the product itself over Redis. CPU time is that of both instances and the server between them.",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate max -size 512"),
			Warmup: 1 * s, Duration: 2 * s, Repetitions: 3,
			Ceiling: renamed("over Redis", relayed()), Product: overNATS(),
		},
		{
			Name: "nats-overload", Title: "the same with an outbox of 256 KiB and 16 events under way on each connection: more than can be carried",
			Note:   "Both consumers read everything: where there are many gaps, one that only counts cannot tell their notices from events.",
			Load:   flags("-consumers 2 -sample 2 -conns 32 -pipeline 16 -rate max -size 512"),
			Warmup: 1500 * ms, Duration: 2 * s, Repetitions: 1,
			Ceiling: renamed("over Redis", relayed("-redis-outbox-bytes", "262144", "-max-body", "4096")),
			Product: overNATS("-redis-outbox-bytes", "262144", "-max-body", "4096"),
		},
		{
			Name: "nats-latency", Title: "two instances and a NATS, 5,000 events/s (open loop), 2 consumers at the other instance, beside the same over Redis",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate 5000 -size 512"),
			Warmup: 1 * s, Duration: 2 * s, Repetitions: 3,
			Ceiling: renamed("over Redis", relayed()), Product: overNATS(),
		},
		{
			Name: "nats-10", Title: "ten instances and a NATS, 5,000 events/s (open loop) over all, a consumer at each",
			Note:   "CPU time and memory are those of the ten and of the server between them; nine of ten events come to a consumer through it.",
			Load:   flags("-consumers 10 -sample -1 -conns 40 -rate 5000 -size 512"),
			Warmup: 1 * s, Duration: 3 * s, Repetitions: 3,
			Product: fleet(10),
		},
		{
			Name: "redis-stopped", Title: "10,000 POST/s and 2 consumers, with a Redis that answers nothing",
			Note:   "Redis is stopped (SIGSTOP) when the product is connected. The ceiling is the product without Redis. Rings are small and events 1 KiB, so that both have been round once before measuring: what touches memory for the first time would be measured twice with an outbox, and once without.",
			Load:   flags("-consumers 2 -sample 1 -conns 32 -rate 10000 -size 1024"),
			Warmup: 2500 * ms, Duration: 1500 * ms, Repetitions: 7,
			Ceiling: named("no Redis", with("-ring-bytes", "16777216")), Product: stopped(),
		},
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
