package plan

// relays are scenarios of several instances.
func relays() []Scenario {
	return []Scenario{
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
	}
}
