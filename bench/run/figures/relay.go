package figures

import (
	"math"
	"strings"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/run/trial"
)

// relay computes what instances cost, and what did not get from one to the others.
func relay(f map[string]float64, r *trial.Record) {
	var gaps, drops, events, messages, cpu, peers float64
	// add adds an instance up, and returns its CPU time; it reports whether there is all.
	add := func(s *trial.ServerSide) (seconds float64, ok bool) {
		before, after := s.Scraped(trial.ScrapeBefore), s.Scraped(trial.ScrapeAfter)
		gaps += sum(after, "dispatcher_relay_gap_events_total{")
		drops += sum(after, `dispatcher_relay_dropped_events_total{events="firehose"`)
		events += sum(after, `dispatcher_relay_published_events_total{events="firehose"`)
		messages += sum(after, `dispatcher_relay_published_messages_total{events="firehose"`)
		const spent = "process_cpu_seconds_total"
		return after[spent] - before[spent], before != nil && after != nil
	}
	_, complete := add(&r.Server)
	for _, c := range r.Beside {
		if strings.HasPrefix(c.Name, plan.PeerName) {
			seconds, ok := add(&c.ServerSide)
			peers, cpu, complete = peers+1, cpu+seconds, complete && ok
		}
	}
	if peers == 0 || !complete {
		return
	}
	f["relay_gaps"], f["relay_drops"] = gaps, drops
	f["relay_uncounted"] = math.Abs(gaps - drops*peers) // what one drops, all others miss
	if messages > 0 {
		f["events_per_message"] = events / messages
	}
	if p := r.Report.Posts; p != nil && p.Accepted > 0 {
		f["event_cpu_us"] = r.Report.CPU.PerPost
		f["peer_cpu_us"] = cpu / peers * 1e6 / float64(p.Accepted)
	}
}
