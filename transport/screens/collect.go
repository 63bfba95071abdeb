package screens

import (
	"event-dispatcher/broker/session"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/websocket"
)

// A Store can tell what it holds, for metrics. Both stores can; that of one without
// a server has nothing to miss.
type Store struct {
	Memory func() session.MemoryStats
	Redis  func() session.RedisStats // nil: there is no server
}

// Collect implements [metric.Source].
func (s *Screens) Collect(to metric.Emitter) {
	h, served := s.options.Hub.Stats(), s.options.Sessions.Stats()
	to.Gauge("session_sockets", "Open session sockets.", float64(h.Sockets))
	to.Gauge("session_users", "Users with a session socket here, counted once per practice.", float64(h.Users))
	to.Gauge("session_queue_bytes", "Memory of session events that wait for sockets, replays and what users got lately included.", float64(h.Held))
	to.Counter("session_delivered_total", "Session events written to sockets, counted once per socket.", h.Delivered)
	to.Counter("session_skipped_total", "Session events that slow sockets missed, counted once per socket.", h.Skipped)
	to.Counter("session_replayed_total", "Session events replayed to sockets that opened.", h.Replayed)
	to.Counter("session_guarded_total", "Session events not replayed because the user had just got them.", h.Guarded)
	to.Counter("session_duplicates_total", "Session events passed over because the replay had brought them.", h.Duplicates)
	to.Counter("session_bytes_total", "Bytes written to session sockets.", h.Bytes)
	to.Counter("session_logouts_total", "Users that this instance told to be gone.", served.Logouts)
	to.Gauge("session_leaving_users", "Users without a session socket here who are not logged out yet.", float64(served.Leaving))
	for _, why := range websocket.Reasons() {
		to.Counter("session_sockets_closed_total", "Session sockets closed, by reason.", h.Closed[why], "reason", why.String())
	}
	var m session.MemoryStats
	switch {
	case s.options.Store.Redis != nil:
		r := s.options.Store.Redis()
		m = r.Mirror
		to.Gauge("session_store_up", "1 while Redis answers for the sessions.", metric.Bool(r.Up))
		to.Gauge("session_store_missed_events", "Stored session events that wait for Redis.", float64(r.Missed))
		for _, reason := range session.Reasons {
			to.Counter("session_store_failures_total", "Calls that Redis did not answer as hoped, by reason.", r.Failures[reason], "reason", reason)
		}
	case s.options.Store.Memory != nil:
		m = s.options.Store.Memory()
	default:
		return
	}
	to.Gauge("session_stored_events", "Session events in this instance's memory.", float64(m.Events))
	to.Gauge("session_stored_bytes", "Memory of the session events that this instance stores, about.", float64(m.Bytes))
	to.Gauge("session_absent_bytes", "Memory of stored session events of users without a session socket here, about.", float64(m.Absent))
	to.Gauge("session_active_users", "Users that this instance counts as active, those in their grace included.", float64(m.Users))
	to.Counter("session_evicted_total", "Stored session events given up for want of room.", m.Evicted)
}
