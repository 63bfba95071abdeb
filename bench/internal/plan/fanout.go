package plan

import (
	"fmt"
)

// grid returns a scenario of the grid that benchmarks of SSE servers often use: few small
// events, and ten times the consumers each time.
func grid(consumers int) Scenario {
	who := fmt.Sprint(consumers, " consumers")
	if consumers == 1 {
		who = "1 consumer"
	}
	return Scenario{
		Name: fmt.Sprint("grid-", consumers), Title: who + " × 50 events/s of 256 bytes", SideBySide: true,
		Load:   flags(fmt.Sprintf("-consumers %d -sample -1 -conns 8 -rate 50 -size 256", consumers)),
		Warmup: 500 * ms, Duration: 4 * s, Repetitions: 2,
		Product: product, Rivals: rivals,
	}
}

// fanOut are scenarios in which what goes out is the load.
func fanOut() []Scenario {
	return []Scenario{
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
	}
}
