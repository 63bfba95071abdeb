package ingest

import "event-dispatcher/transport/wire"

// putFrame writes an event in three parts with its frame; b is as long as both.
func putFrame(b, head, member, tail []byte) {
	b = wire.AppendPrefix(b[:0], len(head)+len(member)+len(tail))
	b = append(append(append(b, head...), member...), tail...)
	_ = append(b, wire.Suffix...)
}
