package config

import (
	"fmt"

	"go.uber.org/zap"

	"event-dispatcher/cmd/event_dispatcher/process"
	"event-dispatcher/transport/metric"
)

// Limits are what there may be at most, for operators.
type Limits struct {
	c                   *Config
	memory, descriptors int // that the system allows; 0: no limit is known
}

// Limits are those of a configuration that fits, by a system that allows so much memory
// in bytes, and so many descriptors.
func (c *Config) Limits(memory, descriptors int) Limits { return Limits{c, memory, descriptors} }

// Collect implements [metric.Source].
func (l Limits) Collect(to metric.Emitter) {
	c := l.c
	for _, limit := range []struct {
		of  string
		max int
	}{
		{"consumers", c.Streams.MaxConsumers},
		{"views", c.Streams.MaxViews},
		{"general_views", c.Transport.Views.MaxGeneral},
		{"compressed_views", c.Streams.MaxCompressed},
		{"view_conditions", c.Transport.Views.MaxConditions},
		{"view_members", c.Transport.Views.MaxMembers},
		{"query_bytes", c.Transport.Views.MaxQuery},
		{"connections", c.Transport.MaxConnections},
		{"client_connections", c.Transport.ClientConnections},
		{"session_sockets", c.Sockets.MaxSockets},
		{"event_bytes", c.Transport.MaxBody},
		{"ring_bytes", c.Broker.Bytes},
		{"bodies_bytes", c.Transport.BodiesBytes},
		{"lag_bytes", c.Streams.LagBytes},
		{"session_queue_bytes", c.Sockets.QueueBytes},
		{"session_stored_bytes", c.Sessions.MaxBytes},
		{"session_absent_bytes", c.Sessions.MaxAbsentBytes},
		{"session_leaving_users", c.Service.MaxLeaving},
		{"memory_bytes", l.memory},
		{"descriptors", l.descriptors},
	} {
		to.Gauge("limit", "The most that there may be of something; 0 if there is no limit.", float64(limit.max), "of", limit.of)
	}
}

// String is what a person wants to know of them.
func (l Limits) String() string {
	c := l.c
	return fmt.Sprintf("%d consumers, %d connections, %d session sockets, %d MiB of events kept for slow consumers",
		c.Streams.MaxConsumers, c.Transport.MaxConnections, c.Sockets.MaxSockets, c.Broker.Bytes>>20)
}

// Log says in one line what they are. shards is how many the broker made.
func (l Limits) Log(log *zap.Logger, shards int) {
	c := l.c
	log.Info("limits",
		zap.String("version", process.Version()),
		zap.Int("max_consumers", c.Streams.MaxConsumers),
		zap.Int("max_connections", c.Transport.MaxConnections),
		zap.Int("max_sockets", c.Sockets.MaxSockets),
		zap.Int("max_body", c.Transport.MaxBody),
		zap.Int("ring_bytes", c.Broker.Bytes),
		zap.Int("shards", shards),
		zap.Int("loops", c.Streams.Loops),
		zap.Int("memory", l.memory),
		zap.Int("descriptors", l.descriptors))
}
