package main

import (
	"fmt"

	"go.uber.org/zap"

	"event-dispatcher/broker"
	"event-dispatcher/cmd/event_dispatcher/config"
	"event-dispatcher/cmd/event_dispatcher/process"
)

// limits are what there may be at most, as metrics.
func limits(cfg *config.Config, memory, descriptors int) process.Limits {
	return process.Limits{
		{Of: "consumers", Max: cfg.Streams.MaxConsumers},
		{Of: "views", Max: cfg.Streams.MaxViews},
		{Of: "general_views", Max: cfg.Transport.Views.MaxGeneral},
		{Of: "compressed_views", Max: cfg.Streams.MaxCompressed},
		{Of: "view_conditions", Max: cfg.Transport.Views.MaxConditions},
		{Of: "view_members", Max: cfg.Transport.Views.MaxMembers},
		{Of: "query_bytes", Max: cfg.Transport.Views.MaxQuery},
		{Of: "connections", Max: cfg.Transport.MaxConnections},
		{Of: "client_connections", Max: cfg.Transport.ClientConnections},
		{Of: "session_sockets", Max: cfg.Sockets.MaxSockets},
		{Of: "event_bytes", Max: cfg.Transport.MaxBody},
		{Of: "ring_bytes", Max: cfg.Broker.Bytes},
		{Of: "bodies_bytes", Max: cfg.Transport.BodiesBytes},
		{Of: "lag_bytes", Max: cfg.Streams.LagBytes},
		{Of: "session_queue_bytes", Max: cfg.Sockets.QueueBytes},
		{Of: "session_stored_bytes", Max: cfg.Sessions.MaxBytes},
		{Of: "session_absent_bytes", Max: cfg.Sessions.MaxAbsentBytes},
		{Of: "session_leaving_users", Max: cfg.Service.MaxLeaving},
		{Of: "memory_bytes", Max: memory},
		{Of: "descriptors", Max: descriptors},
	}
}

// limitsText is what a person wants to know of the caps.
func limitsText(cfg *config.Config) string {
	return fmt.Sprintf("%d consumers, %d connections, %d session sockets, %d MiB of events kept for slow consumers",
		cfg.Streams.MaxConsumers, cfg.Transport.MaxConnections, cfg.Sockets.MaxSockets, cfg.Broker.Bytes>>20)
}

// logLimits says at start what the caps are.
func logLimits(log *zap.Logger, cfg *config.Config, b *broker.Broker, memory, descriptors int) {
	log.Info("limits",
		zap.String("version", process.Version()),
		zap.Int("max_consumers", cfg.Streams.MaxConsumers),
		zap.Int("max_connections", cfg.Transport.MaxConnections),
		zap.Int("max_sockets", cfg.Sockets.MaxSockets),
		zap.Int("max_body", cfg.Transport.MaxBody),
		zap.Int("ring_bytes", cfg.Broker.Bytes),
		zap.Int("shards", b.Shards()),
		zap.Int("loops", cfg.Streams.Loops),
		zap.Int("memory", memory),
		zap.Int("descriptors", descriptors))
}
