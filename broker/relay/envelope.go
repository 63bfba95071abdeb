package relay

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// An envelope is one message on the firehose's channel; integers are big endian:
//
//	offset  size       what
//	0       4          "evd2": the format and its version
//	4       16         origin: the instance's random id
//	20      8          sequence of the first event, within its origin and shard
//	28      4          count of events n; 0 only tells the sequence, and the largest one that the
//	                   instance ends
//	32      1          shard at the origin
//	33      4 × n      their lengths, each at least 1
//	33+4n   the rest   the events, JSON, back to back
//
// The lengths add up to the rest exactly. They stand before the events, so that
// the bytes which lie in the outbox back to back are copied as one.
const (
	magic      = "evd2"
	headerSize = 33
)

// An Origin identifies one life of one instance.
type Origin [16]byte

// NewOrigin draws one at random.
func NewOrigin() Origin {
	var o Origin
	rand.Read(o[:])
	return o
}

func (o Origin) String() string { return hex.EncodeToString(o[:]) }

// Errors of decode: what is wrong with a message.
var (
	errForeign   = errors.New("not an envelope")
	errVersion   = errors.New("an envelope of another version")
	errTruncated = errors.New("an envelope whose lengths do not add up")
	errSequence  = errors.New("an envelope with an impossible sequence")
)

// appendHeader starts an envelope of n events; the caller appends n lengths with
// appendLength, then the bytes.
func appendHeader(to []byte, origin Origin, shard int, first uint64, n int) []byte {
	to = append(to, magic...)
	to = append(to, origin[:]...)
	to = binary.BigEndian.AppendUint64(to, first)
	to = binary.BigEndian.AppendUint32(to, uint32(n))
	return append(to, byte(shard))
}

func appendLength(to []byte, n int) []byte { return binary.BigEndian.AppendUint32(to, uint32(n)) }

// An envelope is the decoded form. Its events are parts of the message.
type envelope struct {
	origin  Origin
	shard   int
	first   uint64
	count   int
	lengths []byte
	events  []byte
}

// farewell is the sequence of the last message of an instance, which has no events.
const farewell = 1<<64 - 1

// appendFarewell makes that message.
func appendFarewell(to []byte, origin Origin) []byte { return appendHeader(to, origin, 0, farewell, 0) }

func (e *envelope) isFarewell() bool { return e.first == farewell && e.count == 0 }

// decode checks the message's framing; whether the events are JSON is another matter.
func decode(m []byte) (envelope, error) {
	if len(m) < headerSize || string(m[:3]) != magic[:3] {
		return envelope{}, errForeign
	}
	if m[3] != magic[3] {
		return envelope{}, errVersion
	}
	e := envelope{
		origin: Origin(m[4:20]),
		shard:  int(m[32]),
		first:  binary.BigEndian.Uint64(m[20:28]),
	}
	count := uint64(binary.BigEndian.Uint32(m[28:32]))
	rest := m[headerSize:]
	if uint64(len(rest)) < count*4 {
		return envelope{}, errTruncated
	}
	e.count = int(count)
	e.lengths, e.events = rest[:e.count*4], rest[e.count*4:]
	var sum uint64
	for i := range e.count {
		n := e.length(i)
		if n < 1 {
			return envelope{}, errTruncated
		}
		sum += uint64(n)
	}
	if sum != uint64(len(e.events)) {
		return envelope{}, errTruncated
	}
	if e.first+count < e.first {
		return envelope{}, errSequence
	}
	return e, nil
}

func (e *envelope) length(i int) uint32 { return binary.BigEndian.Uint32(e.lengths[4*i:]) }

// next is the sequence after the envelope's last event.
func (e *envelope) next() uint64 { return e.first + uint64(e.count) }

// all yields the events in order.
func (e *envelope) all(yield func(event []byte) bool) {
	rest := e.events
	for i := range e.count {
		n := e.length(i)
		if !yield(rest[:n]) {
			return
		}
		rest = rest[n:]
	}
}
