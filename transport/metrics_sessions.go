package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/ws"
)

// A SessionStore can tell what it holds, for metrics. Both stores can; that of one
// without a server has nothing to miss.
type SessionStore struct {
	Memory func() session.MemoryStats
	Redis  func() session.RedisStats // nil: there is no server
}

// A sessionCollector turns what is known of sessions into metrics.
type sessionCollector struct {
	hub   *ws.Hub
	store SessionStore

	sockets, users, held, delivered, skipped, replayed *prometheus.Desc
	guarded, duplicates, bytes, logouts, closed        *prometheus.Desc
	events, memory, active, evicted                    *prometheus.Desc
	up, missed, failures                               *prometheus.Desc
}

func newSessionCollector(h *ws.Hub, s SessionStore) *sessionCollector {
	desc := namer("dispatcher_")
	return &sessionCollector{
		hub:        h,
		store:      s,
		sockets:    desc("session_sockets", "Open session sockets."),
		users:      desc("session_users", "Users with a session socket here, counted once per practice."),
		held:       desc("session_queue_bytes", "Bytes of session events that wait for sockets."),
		delivered:  desc("session_delivered_total", "Session events written to sockets, counted once per socket."),
		skipped:    desc("session_skipped_total", "Session events that slow sockets missed, counted once per socket."),
		replayed:   desc("session_replayed_total", "Session events replayed to sockets that opened."),
		guarded:    desc("session_guarded_total", "Session events not replayed because the user had just got them."),
		duplicates: desc("session_duplicates_total", "Session events passed over because the replay had brought them."),
		bytes:      desc("session_bytes_total", "Bytes written to session sockets."),
		logouts:    desc("session_logouts_total", "Users that this instance told to be gone."),
		closed:     desc("session_sockets_closed_total", "Session sockets closed, by reason.", "reason"),
		events:     desc("session_stored_events", "Session events in this instance's memory."),
		memory:     desc("session_stored_bytes", "Memory of the session events that this instance stores, about."),
		active:     desc("session_active_users", "Users that this instance counts as active, those in their grace included."),
		evicted:    desc("session_evicted_total", "Stored session events given up for want of room."),
		up:         desc("session_store_up", "1 while Redis answers for the sessions."),
		missed:     desc("session_store_missed_events", "Stored session events that wait for Redis."),
		failures:   desc("session_store_failures_total", "Calls that Redis did not answer as hoped, by reason.", "reason"),
	}
}

// Describe implements [prometheus.Collector].
func (c *sessionCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *sessionCollector) Collect(ch chan<- prometheus.Metric) {
	to := emitter(ch)
	h := c.hub.Stats()
	to.gauge(c.sockets, float64(h.Sockets))
	to.gauge(c.users, float64(h.Users))
	to.gauge(c.held, float64(h.Held))
	to.counter(c.delivered, h.Delivered)
	to.counter(c.skipped, h.Skipped)
	to.counter(c.replayed, h.Replayed)
	to.counter(c.guarded, h.Guarded)
	to.counter(c.duplicates, h.Duplicates)
	to.counter(c.bytes, h.Bytes)
	to.counter(c.logouts, h.Logouts)
	for _, why := range ws.Reasons() {
		to.counter(c.closed, h.Closed[why], why.String())
	}
	var m session.MemoryStats
	switch {
	case c.store.Redis != nil:
		r := c.store.Redis()
		m = r.Mirror
		to.gauge(c.up, boolean(r.Up))
		to.gauge(c.missed, float64(r.Missed))
		for _, reason := range session.Reasons {
			to.counter(c.failures, r.Failures[reason], reason)
		}
	case c.store.Memory != nil:
		m = c.store.Memory()
	default:
		return
	}
	to.gauge(c.events, float64(m.Events))
	to.gauge(c.memory, float64(m.Bytes))
	to.gauge(c.active, float64(m.Users))
	to.counter(c.evicted, m.Evicted)
}
