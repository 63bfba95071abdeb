package relay

import "time"

// Stats is a snapshot of a [Relay]; under load its fields may be a few events apart.
type Stats struct {
	Up       bool
	Origins  int // other instances heard of that have not said farewell
	Firehose LaneStats
	Sessions LaneStats

	// Silence is the longest time that an instance heard in the last minute has been
	// silent. Each sends something every second.
	Silence time.Duration

	Duplicates   uint64            // events that arrived again, and were passed over
	Gaps         map[string]uint64 // events of others that did not reach the sink, by GapReasons
	DecodeErrors map[string]uint64 // by DecodeReasons

	SessionGaps   uint64            // session events of others that never came
	SessionErrors map[string]uint64 // by SessionReasons
}

// LaneStats is the traffic of one kind of events.
type LaneStats struct {
	Up        bool
	Queued    uint64            // events that wait for the carrier
	Published uint64            // events that the carrier took
	Messages  uint64            // in which they were
	Bytes     uint64            // of these messages
	Dropped   map[string]uint64 // events given up, by DropReasons
	Failures  uint64            // sendings that had to be repeated
	Received  uint64            // events of others that reached the sink
	Overflows uint64            // messages that did not fit into the inbox
	Resumed   uint64            // times the channel was subscribed to
	Channels  int               // subscribed to now
	Receivers int               // subscribers that got the last message; Unheard: nobody knows
	Delay     time.Duration     // from the offer of the last message's first event until the carrier had it
}

// DropReasons are why an offered event was not published: the outbox was full,
// it got too old there, or since it was sent (so that it may have arrived), the
// carrier refused it, the outbox refused it.
var DropReasons = [...]string{"full", "expired", "unanswered", "rejected", "refused"}

func (l *lane) stats() LaneStats {
	p, s := &l.publisher, &l.subscriber
	if p.outbox == nil {
		return LaneStats{}
	}
	return LaneStats{
		Up:        l.up(),
		Queued:    p.outbox.queued(),
		Published: p.published.Load(),
		Messages:  p.messages.Load(),
		Bytes:     p.bytes.Load(),
		Dropped: map[string]uint64{
			"full":       p.lapped.Load(),
			"expired":    p.expired.Load(),
			"unanswered": p.unanswered.Load(),
			"rejected":   p.rejected.Load(),
			"refused":    p.outbox.refused(),
		},
		Failures:  p.failures.Load(),
		Overflows: s.thrownAway(),
		Resumed:   s.resumed.Load(),
		Channels:  s.standing(),
		Receivers: int(p.receivers.Load()),
		Delay:     time.Duration(p.delay.Load()),
	}
}

// Stats takes the snapshot.
func (r *Relay) Stats() Stats {
	st := Stats{
		Up:            r.Up(),
		Origins:       int(r.receiver.origins.here.Load()),
		Firehose:      r.firehose.stats(),
		Sessions:      r.sessions.stats(),
		Duplicates:    r.receiver.duplicates.Load() + r.sessionReceiver.duplicates.Load(),
		Gaps:          make(map[string]uint64),
		DecodeErrors:  make(map[string]uint64),
		SessionErrors: make(map[string]uint64),
	}
	st.Silence = time.Duration(r.receiver.silence.Load())
	st.Firehose.Received = r.receiver.received.Load()
	st.SessionGaps = r.sessionReceiver.gaps.Load()
	st.Sessions.Received = r.sessionReceiver.received.Load()
	for i, reason := range GapReasons {
		st.Gaps[reason] = r.receiver.gaps[i].Load()
	}
	for i, reason := range DecodeReasons {
		st.DecodeErrors[reason] = r.receiver.errors[i].Load()
	}
	for i, reason := range SessionReasons {
		st.SessionErrors[reason] = r.sessionReceiver.errors[i].Load()
	}
	return st
}
