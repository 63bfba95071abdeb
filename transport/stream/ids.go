package stream

import (
	"strconv"
	"strings"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// appendID appends a place to resume from: the broker's epoch and a sequence per
// shard, joined by dots.
func (l *loop) appendID(f wire.Format, dst []byte, cursors []broker.Cursor) []byte {
	l.id = appendPlace(l.id[:0], l.broker, cursors)
	return f.AppendID(dst, l.id)
}

// placeAt sets l.place to cursors.
func (l *loop) placeAt(cursors []broker.Cursor) {
	l.place = l.place[:0]
	for _, c := range cursors {
		l.place = append(l.place, c.Sequence())
	}
}

// appendEventID appends an event with l.place, which is right behind it: whoever takes
// the event got before it, or was told or passed over, all that is before the place.
func (l *loop) appendEventID(f wire.Format, dst, json []byte) []byte {
	l.id = strconv.AppendUint(l.id[:0], l.broker.Epoch(), 36)
	for _, seq := range l.place {
		l.id = strconv.AppendUint(append(l.id, '.'), seq, 10)
	}
	return f.AppendEventID(dst, l.id, json)
}

// appendKeepAlive appends a keep-alive for a herd's members, and where they stand: of a
// view that nothing passes for long, the last event's id grows old.
func (l *loop) appendKeepAlive(h *herd, dst []byte) []byte {
	dst = append(dst, l.pool.options.keepAlive(h.format)...)
	if h.format.IDs && (h.conflation == nil || len(h.conflation.held) == 0) {
		dst = l.appendID(h.format, dst, h.cursors())
	}
	return dst
}

// cutPlace takes an id apart.
func cutPlace(id string) (epoch uint64, sequences []uint64, ok bool) {
	if len(id) > 1400 { // 64 shards need no more
		return 0, nil, false
	}
	first, rest, ok := strings.Cut(id, ".")
	if !ok {
		return 0, nil, false
	}
	epoch, err := strconv.ParseUint(first, 36, 64)
	if err != nil {
		return 0, nil, false
	}
	for field := range strings.SplitSeq(rest, ".") {
		seq, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, nil, false
		}
		sequences = append(sequences, seq)
	}
	return epoch, sequences, true
}

// IsID reports whether id looks like one that a stream gave, of whichever instance.
func IsID(id string) bool {
	_, _, ok := cutPlace(id)
	return ok
}

// findPlace finds the cursors that an id stands for, one per shard.
func findPlace(b *broker.Broker, shards []int, id string) ([]broker.Cursor, bool) {
	epoch, sequences, ok := cutPlace(id)
	if !ok || epoch != b.Epoch() || len(sequences) != len(shards) {
		return nil, false
	}
	cursors := make([]broker.Cursor, len(shards))
	for i, shard := range shards {
		if cursors[i], ok = b.Find(shard, sequences[i]); !ok {
			return nil, false
		}
	}
	return cursors, true
}

func appendPlace(dst []byte, b *broker.Broker, cursors []broker.Cursor) []byte {
	dst = strconv.AppendUint(dst, b.Epoch(), 36)
	for _, c := range cursors {
		dst = strconv.AppendUint(append(dst, '.'), c.Sequence(), 10)
	}
	return dst
}
