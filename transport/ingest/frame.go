package ingest

import "event-dispatcher/transport/stream"

// The frame of an event in the ring, around its JSON.
const prefixLen, suffixLen = len(stream.EventPrefix), len(stream.EventSuffix)

var suffix = []byte(stream.EventSuffix)

// appendPrefix appends what stands before n bytes of JSON.
func appendPrefix(dst []byte, n int) []byte { return append(dst, stream.EventPrefix...) }

// putFrame writes an event in three parts with its frame; b is as long as both.
func putFrame(b, head, member, tail []byte) {
	b = appendPrefix(b[:0], len(head)+len(member)+len(tail))
	b = append(append(append(b, head...), member...), tail...)
	_ = append(b, suffix...)
}
