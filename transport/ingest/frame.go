package ingest

import (
	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// publishFramed puts an event in up to three parts into a shard. All are copied.
func publishFramed(b *broker.Broker, shard int, at broker.Tick, head, member, tail []byte) error {
	var space [wire.PrefixLen]byte
	prefix := wire.AppendPrefix(space[:0], len(head)+len(member)+len(tail))
	return b.Publish(shard, at, prefix, head, member, tail, wire.Suffix)
}

// framed is the size of an event of n bytes with its frame.
func framed(n int) int { return wire.PrefixLen + n + wire.SuffixLen }

// putFrame writes an event in three parts with its frame; b is as long as both.
func putFrame(b, head, member, tail []byte) {
	b = wire.AppendPrefix(b[:0], len(head)+len(member)+len(tail))
	b = append(append(append(b, head...), member...), tail...)
	_ = append(b, wire.Suffix...)
}
