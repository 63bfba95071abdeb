package config

import (
	"event-dispatcher/broker"
	"event-dispatcher/broker/ring"
	"event-dispatcher/transport/ingest"
)

// ingest declares the flags of what players post, and of where it is kept.
func (c *Config) ingest(t *table) {
	const largest = ring.MaxSegmentBytes/4 - ingest.MaxAddedBytes // what the broker takes, less what ingest adds
	t.group("Events")
	t.count(&c.Transport.MaxBody, "max-body", 256<<10, 1, largest, "largest event accepted, in `bytes`")
	t.count(&c.Transport.MaxBatch, "max-batch", 4<<20, 1, 1<<30, "largest batch of events accepted, in `bytes` when inflated")
	t.read("add", "", "`members` to add to every object: received_at, event_id, or both with a comma", parsed(&c.Transport.Add, ingest.ParseStamps))
	t.toggle(&c.Transport.StopReports, "cmcd-stop", "tell players of CMCD reports to stop them for their session (410)")
	t.count(&c.Transport.BodiesBytes, "bodies-bytes", 32<<20, 1<<20, 1<<46, "memory for bodies of more than 8 KiB that are arriving, and for what bodies inflate to, all connections together, and as much again for answers that are not read yet, in `bytes` (503 beyond); at least eight of -max-body and three of -max-batch")
	t.rate(&c.Transport.IngestRate, "ingest-rate", "most events per second in all (503 beyond); 0 means no limit")
	t.rate(&c.Transport.ClientRate, "client-rate", "most events per second from one client address (429 beyond); 0 means no limit")
	t.count(&c.Broker.Shards, "shards", 0, 0, broker.MaxShards, "independent logs; 0 is 1")
	t.text(&c.Broker.ShardKey, "shard-key", "", "top-level JSON `member` whose value picks the shard, such as session_id; empty: the connection picks it")
	t.count(&c.Broker.Bytes, "ring-bytes", 64<<20, 1, 1<<46, "memory for events that slow consumers have not got yet, in `bytes`")

	t.then(func() error {
		c.Broker.MaxEvent = c.Transport.MaxBody + ingest.MaxAddedBytes
		c.Relay.MaxEvent = c.Broker.MaxEvent
		return nil
	})
}
