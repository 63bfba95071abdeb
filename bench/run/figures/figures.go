// Package figures turns records of runs into figures, ratios and verdicts.
package figures

import (
	"maps"
	"slices"
	"strings"

	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/load/report"
	"event-dispatcher/bench/run/trial"
)

// Of computes the figures of one run. What the run does not show is absent.
//
//	post_rate, post_cpu_us, post_p50_ms, post_p99_ms     accepted per second; server CPU; intended time to answer
//	post_allocs, delivery_allocs                         with metrics only: heap allocations between two scrapes, what a scrape allocates included
//	delivery_rate, delivery_cpu_us, delivery_p50/p99_ms  of all consumers; intended time to receipt
//	delivery_max_ms                                      as above
//	rate_held                                            with a rate only: deliveries of those that were asked, at most 1
//	missing_share                                        skipped or unexplained of what was owed
//	resident_bytes                                       when measuring ended
//	stream_bytes                                         per second and consumer, as received
//	events_per_sweep                                     with metrics only, between two scrapes
//	server_cores                                         CPU time of the server per second
//	skipped, healthy_skipped, unexplained                from the ledger
//	relay_gaps, relay_drops                              with peers only: missing at instances; not sent by them, both by their own count
//	relay_uncounted                                      how far these two are apart, each drop being missing at every other instance
//	event_cpu_us, peer_cpu_us                            with peers only: CPU time per event published, of all processes, and of one peer
//	events_per_message                                   with peers only: how many events instances put into one
//	crowd_faults, crowd_skipped                          of consumers with views: unexplained, doubled, out of order, wrong; told to be skipped
//	idle_bytes, idle_kernel_bytes                        per consumer or socket, nobody publishes
//	growth_bytes                                         beside stalled consumers: most resident memory since measuring began
func Of(r *trial.Record) map[string]float64 {
	f := make(map[string]float64)
	rep := r.Report
	if rep == nil {
		return f
	}
	consumers := rep.Config.Consumers
	posts(f, rep)
	if d := rep.Deliveries; d != nil && consumers > 0 && rep.Posts != nil {
		if d.Rate > 0 {
			f["delivery_rate"] = d.Rate
		}
		if asked := rep.Config.Rate.PerSecond * float64(consumers); asked > 0 {
			f["rate_held"] = min(d.Rate/asked, 1) // more is what was late
		}
		if d.Bytes > 0 {
			f["stream_bytes"] = d.Bytes / float64(consumers)
		}
		if rep.CPU.PerDelivery > 0 {
			f["delivery_cpu_us"] = rep.CPU.PerDelivery
		}
		if d.Latency.Count > 0 {
			f["delivery_p50_ms"], f["delivery_p99_ms"], f["delivery_max_ms"] = d.Latency.P50/1000, d.Latency.P99/1000, d.Latency.Max/1000
		}
	}
	if l := rep.Ledger; l != nil && rep.Posts != nil {
		f["skipped"], f["unexplained"] = float64(l.Skipped), float64(l.Unexplained)
		if l.Sent > 0 {
			f["missing_share"] = float64(l.Skipped+l.Unexplained) / float64(l.Sent)
		}
		f["healthy_skipped"] = float64(l.SkippedBy["counting"] + l.SkippedBy["sampling"])
	}
	for _, a := range rep.Crowd {
		f["unexplained"] += float64(a.Unexplained)
		f["crowd_faults"] += float64(a.Faults())
		f["crowd_skipped"] += float64(a.Skipped)
	}
	if rep.Posts == nil && consumers+rep.Config.Sockets > 0 && rep.Memory.PerConsumer != (probe.Memory{}) {
		f["idle_bytes"] = float64(rep.Memory.PerConsumer.Resident)
		f["idle_kernel_bytes"] = float64(rep.Memory.PerConsumer.TCPBuffers + rep.Memory.PerConsumer.Slab)
	}
	if rep.Posts != nil && rep.Seconds > 0 && len(rep.Config.PIDs) > 0 {
		f["server_cores"] = rep.CPU.Server
		f["resident_bytes"] = float64(rep.Memory.End.Resident)
	}
	product(f, &r.Server)
	relay(f, r)
	return f
}

// sum adds up the series whose names begin so.
func sum(metrics map[string]float64, begin string) (total float64) {
	for series, v := range metrics {
		if strings.HasPrefix(series, begin) {
			total += v
		}
	}
	return total
}

func posts(f map[string]float64, rep *report.Report) {
	p := rep.Posts
	if p == nil || rep.Seconds == 0 {
		return
	}
	f["post_rate"] = p.Rate
	if rep.Config.Consumers == 0 && rep.CPU.PerPost > 0 {
		f["post_cpu_us"] = rep.CPU.PerPost
	}
	if p.Latency.Count > 0 {
		f["post_p50_ms"], f["post_p99_ms"] = p.Latency.P50/1000, p.Latency.P99/1000
	}
	if rep.Config.Stalled == 0 {
		return
	}
	begin, most := rep.Memory.Begin.Resident, rep.Memory.End.Resident
	for _, s := range rep.Series {
		if s.At > rep.Config.Warmup.Seconds() {
			most = max(most, s.Resident)
		}
	}
	f["growth_bytes"] = float64(max(most-begin, 0))
}

// product computes what needs the scrapes in the window.
func product(f map[string]float64, s *trial.ServerSide) {
	early, late := s.Scraped(trial.ScrapeEarly), s.Scraped(trial.ScrapeLate)
	if early == nil || late == nil {
		return
	}
	more := func(name string) float64 {
		return late[name] - early[name] + sum(late, name+"{") - sum(early, name+"{")
	}
	// A scrape allocates some thousand objects, which are counted here as if
	// events were to blame: the figures are upper bounds, good where there are
	// many events.
	allocs := more("go_memstats_mallocs_total")
	published, delivered := more("dispatcher_events_published_total"), more("dispatcher_events_delivered_total")
	if published > 0 {
		f["post_allocs"] = allocs / published
	}
	if delivered > 0 {
		f["delivery_allocs"] = allocs / delivered
	}
	if sweeps := more("dispatcher_sweeps_total"); sweeps > 0 && delivered > 0 {
		f["events_per_sweep"] = published / sweeps
	}
}

// Range sums up repetitions.
type Range struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// RangeOf returns the range of values, the zero Range if there are none.
func RangeOf(values []float64) Range {
	n := len(values)
	if n == 0 {
		return Range{}
	}
	v := slices.Sorted(slices.Values(values))
	return Range{Min: v[0], Median: (v[(n-1)/2] + v[n/2]) / 2, Max: v[n-1], N: n}
}

// Scaled returns the range in another unit.
func (r Range) Scaled(by float64) Range {
	return Range{r.Min * by, r.Median * by, r.Max * by, r.N}
}

// Values returns a figure of all usable runs of a role.
func Values(records []*trial.Record, role, figure string) []float64 {
	var values []float64
	for _, r := range records {
		if v, ok := r.Figures[figure]; ok && r.Role == role && r.Usable() {
			values = append(values, v)
		}
	}
	return values
}

// Ratios says how many times the figure of the ceiling each run of the product
// has; see [compare].
func Ratios(records []*trial.Record, figure string) []float64 {
	return compare(records, figure, func(product, ceiling float64) float64 { return product / ceiling })
}

// Added says how much more than the figure of the ceiling each run of the
// product has; see [compare].
func Added(records []*trial.Record, figure string) []float64 {
	return compare(records, figure, func(product, ceiling float64) float64 { return product - ceiling })
}

// compare compares each run of the product with the mean of the ceiling's runs
// right before and right after it; if one of them is missing, with the other.
// The records are those of one scenario in the order they were played.
func compare(records []*trial.Record, figure string, by func(product, ceiling float64) float64) []float64 {
	var compared []float64
	value := func(i int, role string) (float64, bool) {
		if i < 0 || i >= len(records) || records[i].Role != role || !records[i].Usable() {
			return 0, false
		}
		v, ok := records[i].Figures[figure]
		return v, ok && v > 0
	}
	for i := range records {
		v, ok := value(i, trial.Product)
		if !ok {
			continue
		}
		before, ok1 := value(i-1, trial.Ceiling)
		after, ok2 := value(i+1, trial.Ceiling)
		switch {
		case ok1 && ok2:
			compared = append(compared, by(v, (before+after)/2))
		case ok1 || ok2:
			compared = append(compared, by(v, before+after))
		}
	}
	return compared
}

// Names returns the figures that any of the records has.
func Names(records []*trial.Record) []string {
	names := make(map[string]bool)
	for _, r := range records {
		for name := range r.Figures {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
