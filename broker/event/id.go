package event

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// IDs makes event ids: UUIDs of version 7 (RFC 9562, section 5.7). They sort by
// time, as text too, and those of one IDs in the order in which they were taken.
// Two IDs never make the same, but for chance: each has 62 random bits of its own.
//
// An id in a millisecond in which 4,096 were taken already borrows from the next
// one, and ids go on upwards when the clock is set back.
type IDs struct {
	last atomic.Uint64 // Unix milliseconds << 12 | number within the millisecond
	tail [18]byte      // what all of them end with: variant and random bits
}

// NewIDs returns a source of ids.
func NewIDs() *IDs {
	g := &IDs{}
	var random [8]byte
	rand.Read(random[:]) // never fails
	bits := binary.BigEndian.Uint64(random[:])&(1<<62-1) | 2<<62
	tail := appendHex(g.tail[:0], bits>>48, 4)
	appendHex(append(tail, '-'), bits, 12)
	return g
}

// Append appends the next id to dst. now need not be exact: an old one makes an id
// that follows the last one.
func (g *IDs) Append(dst []byte, now time.Time) []byte {
	n := g.next(uint64(max(now.UnixMilli(), 0)) << 12)
	dst = appendHex(dst, n>>28, 8)
	dst = appendHex(append(dst, '-'), n>>12, 4)
	dst = appendHex(append(dst, '-', '7'), n, 3)
	return append(append(dst, '-'), g.tail[:17]...)
}

func (g *IDs) next(now uint64) uint64 {
	for {
		last := g.last.Load()
		n := max(now, last+1)
		if g.last.CompareAndSwap(last, n) {
			return n
		}
	}
}

// appendHex appends the last n hexadecimal digits of v.
func appendHex(dst []byte, v uint64, n int) []byte {
	const digits = "0123456789abcdef"
	for shift := 4 * (n - 1); shift >= 0; shift -= 4 {
		dst = append(dst, digits[v>>shift&15])
	}
	return dst
}
