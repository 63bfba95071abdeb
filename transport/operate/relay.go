package operate

import (
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/metric"
)

// relayed tells what a relay has counted: the packages of the broker know nothing
// of metrics.
type relayed struct{ relay *relay.Relay }

// Collect implements [metric.Source].
func (r relayed) Collect(to metric.Emitter) {
	s := r.relay.Stats()
	to.Gauge("relay_origins", "Other instances heard of that did not end.", float64(s.Origins))
	to.Gauge("relay_origin_silence_seconds", "For how long another instance that was heard in the last minute has said nothing, the longest.", s.Silence.Seconds())
	to.Counter("relay_session_gap_events_total", "Session events of other instances that never came here.", s.SessionGaps)
	to.Counter("relay_duplicate_events_total", "Events of other instances that came again and were passed over.", s.Duplicates)
	for _, reason := range relay.GapReasons {
		to.Counter("relay_gap_events_total", "Events of other instances that were not delivered here, by reason.", s.Gaps[reason], "reason", reason)
	}
	for _, reason := range relay.DecodeReasons {
		to.Counter("relay_decode_errors_total", "Messages and events that could not be read, by reason.", s.DecodeErrors[reason], "events", "firehose", "reason", reason)
	}
	for _, reason := range relay.SessionReasons {
		to.Counter("relay_decode_errors_total", "Messages and events that could not be read, by reason.", s.SessionErrors[reason], "events", "sessions", "reason", reason)
	}
	for _, lane := range []struct {
		events string
		relay.LaneStats
	}{{"firehose", s.Firehose}, {"sessions", s.Sessions}} {
		to.Gauge("relay_up", "1 while events go to and come from other instances, as far as they are wanted.", metric.Bool(lane.Up), "events", lane.events)
		to.Gauge("relay_queued_events", "Events that wait for Redis or NATS.", float64(lane.Queued), "events", lane.events)
		to.Counter("relay_published_events_total", "Events that Redis or NATS took.", lane.Published, "events", lane.events)
		to.Counter("relay_published_messages_total", "Messages that Redis or NATS took.", lane.Messages, "events", lane.events)
		to.Counter("relay_published_bytes_total", "Bytes of the messages that Redis or NATS took.", lane.Bytes, "events", lane.events)
		for _, reason := range relay.DropReasons {
			to.Counter("relay_dropped_events_total", "Events that were not published, by reason.", lane.Dropped[reason], "events", lane.events, "reason", reason)
		}
		to.Counter("relay_repeated_sendings_total", "Sendings that had no answer and were repeated.", lane.Failures, "events", lane.events)
		to.Counter("relay_received_events_total", "Events of other instances that were delivered here.", lane.Received, "events", lane.events)
		to.Counter("relay_inbox_overflows_total", "Messages that came faster than they could be read.", lane.Overflows, "events", lane.events)
		to.Gauge("relay_subscribed_channels", "Channels that are subscribed to: none while nobody wants events of other instances.", float64(lane.Channels), "events", lane.events)
		to.Gauge("relay_receivers", "Subscribers that got the last message, this instance too if it has consumers; -1 where the carrier does not say.", float64(lane.Receivers), "events", lane.events)
		to.Gauge("relay_delay_seconds", "Time from the acceptance of the last message's first event until Redis or NATS had it.", lane.Delay.Seconds(), "events", lane.events)
		to.Counter("relay_subscriptions_total", "Times that the channel was subscribed to.", lane.Resumed, "events", lane.events)
	}
}
