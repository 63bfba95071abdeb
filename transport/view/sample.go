package view

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A sample passes a share of the events: those whose hash is at most limit. The
// hash is the same in every process and release, so that all instances, and a
// consumer that comes back, pass the same sessions.
type sample struct {
	share float64 // 0: no sample
	limit uint64
	by    []string // nil: hash the event
}

func newSample(share float64, by []string) sample {
	limit := uint64(math.MaxUint64)
	if share < 1 {
		limit = uint64(share * (1 << 64))
	}
	return sample{share: share, limit: limit, by: by}
}

// passes reports whether an event is in the share whose by member is v.
func (s *sample) passes(v *value) bool {
	if v.kind == missing {
		return false
	}
	if !v.hashed { // once for all samples: an array may be as long as an event
		v.hash, v.hashed = hashValue(v), true
	}
	return v.hash <= s.limit
}

// hashValue hashes what a value says and not how it is spelled: "a" is "\u0061",
// and 1 is 1.0. Of strings and of numbers the first maxValue bytes count, as no more of
// an escaped string is decoded.
func hashValue(v *value) uint64 {
	b := v.text
	if v.kind == numeric {
		var buf [maxValue + 32]byte
		n := v.num
		n.digits = n.digits[:min(len(n.digits), maxValue)]
		return hash(n.appendKey(buf[:0]))
	}
	if v.kind == text && len(b) > maxValue {
		b = b[:maxValue]
	}
	return hash(b)
}

// hash mixes eight bytes at a time by a multiplication to 128 bits, as wyhash
// does. It needs to be quick and even, not secret: who chooses session ids to get into a
// sample has only added events to it.
func hash(b []byte) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	h := uint64(len(b)) ^ k0
	for len(b) >= 8 {
		h = mix(h^binary.LittleEndian.Uint64(b), k1)
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	return mix(mix(h^tail, k1), k0)
}

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
