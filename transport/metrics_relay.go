package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"event-dispatcher/broker/relay"
)

// withoutRedis is the default of Options.Degraded.
func (o *Options) withoutRedis() []string {
	if o.Relay != nil && !o.Relay.Up() {
		return []string{"redis"}
	}
	return nil
}

// A relayCollector turns a relay's counters into metrics.
type relayCollector struct {
	relay *relay.Relay

	up, origins, queued, published, messages, bytes, dropped *prometheus.Desc
	repeated, received, overflows, subscribed                *prometheus.Desc
	duplicates, gaps, undecoded                              *prometheus.Desc
}

func newRelayCollector(r *relay.Relay) *relayCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("dispatcher_relay_"+name, help, labels, nil)
	}
	return &relayCollector{
		relay:      r,
		up:         desc("up", "1 while events go to and come from Redis.", "events"),
		origins:    desc("origins", "Other instances heard of."),
		queued:     desc("queued_events", "Events that wait for Redis.", "events"),
		published:  desc("published_events_total", "Events that Redis took.", "events"),
		messages:   desc("published_messages_total", "Messages in which they were.", "events"),
		bytes:      desc("published_bytes_total", "Bytes of these messages.", "events"),
		dropped:    desc("dropped_events_total", "Events that were not published, by reason.", "events", "reason"),
		repeated:   desc("repeated_sendings_total", "Sendings that Redis did not answer and that were repeated.", "events"),
		received:   desc("received_events_total", "Events of other instances that were delivered here.", "events"),
		overflows:  desc("inbox_overflows_total", "Messages that came faster than they could be read.", "events"),
		subscribed: desc("subscriptions_total", "Times that the channel was subscribed to.", "events"),
		duplicates: desc("duplicate_events_total", "Events of other instances that came again and were passed over."),
		gaps:       desc("gap_events_total", "Events of other instances that were not delivered here, by reason.", "reason"),
		undecoded:  desc("decode_errors_total", "Messages and events from Redis that could not be read, by reason.", "events", "reason"),
	}
}

// Describe implements [prometheus.Collector].
func (c *relayCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *relayCollector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.relay.Stats()
	gauge(c.origins, float64(s.Origins))
	counter(c.duplicates, s.Duplicates)
	for _, reason := range relay.GapReasons {
		counter(c.gaps, s.Gaps[reason], reason)
	}
	for _, reason := range relay.DecodeReasons {
		counter(c.undecoded, s.DecodeErrors[reason], "firehose", reason)
	}
	for _, reason := range relay.SessionReasons {
		counter(c.undecoded, s.SessionErrors[reason], "sessions", reason)
	}
	for _, lane := range []struct {
		events string
		relay.LaneStats
	}{{"firehose", s.Firehose}, {"sessions", s.Sessions}} {
		gauge(c.up, boolean(lane.Up), lane.events)
		gauge(c.queued, float64(lane.Queued), lane.events)
		counter(c.published, lane.Published, lane.events)
		counter(c.messages, lane.Messages, lane.events)
		counter(c.bytes, lane.Bytes, lane.events)
		for _, reason := range relay.DropReasons {
			counter(c.dropped, lane.Dropped[reason], lane.events, reason)
		}
		counter(c.repeated, lane.Failures, lane.events)
		counter(c.received, lane.Received, lane.events)
		counter(c.overflows, lane.Overflows, lane.events)
		counter(c.subscribed, lane.Resumed, lane.events)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
