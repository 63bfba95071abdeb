package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"event-dispatcher/broker/relay"
)

// A relayCollector turns a relay's counters into metrics.
type relayCollector struct {
	relay *relay.Relay

	up, origins, queued, published, messages, bytes, dropped *prometheus.Desc
	repeated, received, overflows, subscribed                *prometheus.Desc
	duplicates, gaps, undecoded                              *prometheus.Desc
}

func newRelayCollector(r *relay.Relay) *relayCollector {
	desc := namer("dispatcher_relay_")
	return &relayCollector{
		relay:      r,
		up:         desc("up", "1 while events go to and come from Redis.", "events"),
		origins:    desc("origins", "Other instances heard of."),
		queued:     desc("queued_events", "Events that wait for Redis.", "events"),
		published:  desc("published_events_total", "Events that Redis took.", "events"),
		messages:   desc("published_messages_total", "Messages that Redis took.", "events"),
		bytes:      desc("published_bytes_total", "Bytes of the messages that Redis took.", "events"),
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
	to := emitter(ch)
	s := c.relay.Stats()
	to.gauge(c.origins, float64(s.Origins))
	to.counter(c.duplicates, s.Duplicates)
	for _, reason := range relay.GapReasons {
		to.counter(c.gaps, s.Gaps[reason], reason)
	}
	for _, reason := range relay.DecodeReasons {
		to.counter(c.undecoded, s.DecodeErrors[reason], "firehose", reason)
	}
	for _, reason := range relay.SessionReasons {
		to.counter(c.undecoded, s.SessionErrors[reason], "sessions", reason)
	}
	for _, lane := range []struct {
		events string
		relay.LaneStats
	}{{"firehose", s.Firehose}, {"sessions", s.Sessions}} {
		to.gauge(c.up, boolean(lane.Up), lane.events)
		to.gauge(c.queued, float64(lane.Queued), lane.events)
		to.counter(c.published, lane.Published, lane.events)
		to.counter(c.messages, lane.Messages, lane.events)
		to.counter(c.bytes, lane.Bytes, lane.events)
		for _, reason := range relay.DropReasons {
			to.counter(c.dropped, lane.Dropped[reason], lane.events, reason)
		}
		to.counter(c.repeated, lane.Failures, lane.events)
		to.counter(c.received, lane.Received, lane.events)
		to.counter(c.overflows, lane.Overflows, lane.events)
		to.counter(c.subscribed, lane.Resumed, lane.events)
	}
}
