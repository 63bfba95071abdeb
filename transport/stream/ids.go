package stream

import (
	"strconv"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// appendID appends a place to resume from: the broker's epoch and a sequence per
// shard, joined by dots.
func (l *loop) appendID(f wire.Format, dst []byte, cursors []broker.Cursor) []byte {
	l.id = appendPlace(l.id[:0], l.broker, cursors)
	return f.AppendID(dst, l.id)
}

func appendPlace(dst []byte, b *broker.Broker, cursors []broker.Cursor) []byte {
	dst = strconv.AppendUint(dst, b.Epoch(), 36)
	for _, c := range cursors {
		dst = strconv.AppendUint(append(dst, '.'), c.Sequence(), 10)
	}
	return dst
}
