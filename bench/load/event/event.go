// Package event builds the JSON that players publish and reads it back on the
// consumers' side. Every event begins with a tag of fixed width, so that a
// consumer can tell who published it, when, in what order, and whether a byte
// of it changed on the way, without decoding JSON:
//
//	{"bench":"run.producer.sequence.intended.length.sum","event_name":...
//
// All six are hexadecimal. The intended time is in nanoseconds since the run
// began, so a step of the wall clock cannot spoil a latency.
package event

import (
	"bytes"
	"hash/crc32"
)

const (
	prefix   = `{"bench":"`
	tagBytes = 8 + 1 + 8 + 1 + 12 + 1 + 16 + 1 + 6 + 1 + 8

	// TagEnd is where the bytes covered by [Tag.Sum] begin.
	TagEnd = len(prefix) + tagBytes

	// MinBytes is the smallest event that [Fixed] can build.
	MinBytes = 128
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Tag is what an event says about itself.
type Tag struct {
	Run      uint32 // tells one run of the generator from another
	Producer uint32 // one connection after another of one player
	Sequence uint64 // from 1, by one, per producer
	Intended int64  // when it was due, in nanoseconds since the run began
	Length   int    // of the whole event
	Sum      uint32 // CRC-32C of the bytes from TagEnd to before the last brace
}

// Sum computes what [Tag.Sum] holds for body, a complete event.
func Sum(body []byte) uint32 {
	return crc32.Checksum(body[TagEnd:len(body)-1], castagnoli)
}

// Put writes the tag into body, which must have been built by this package.
func (t Tag) Put(body []byte) {
	b := body[len(prefix):TagEnd]
	putHex(b[0:8], uint64(t.Run))
	putHex(b[9:17], uint64(t.Producer))
	putHex(b[18:30], t.Sequence)
	putHex(b[31:47], uint64(t.Intended))
	putHex(b[48:54], uint64(t.Length))
	putHex(b[55:63], uint64(t.Sum))
}

// Parse reads the tag of body and reports whether there is one.
func Parse(body []byte) (Tag, bool) {
	if len(body) < TagEnd || string(body[:len(prefix)]) != prefix {
		return Tag{}, false
	}
	b := body[len(prefix):TagEnd]
	if b[8] != '.' || b[17] != '.' || b[30] != '.' || b[47] != '.' || b[54] != '.' {
		return Tag{}, false
	}
	run, ok1 := getHex(b[0:8])
	producer, ok2 := getHex(b[9:17])
	sequence, ok3 := getHex(b[18:30])
	intended, ok4 := getHex(b[31:47])
	length, ok5 := getHex(b[48:54])
	sum, ok6 := getHex(b[55:63])
	return Tag{
		Run:      uint32(run),
		Producer: uint32(producer),
		Sequence: sequence,
		Intended: int64(intended),
		Length:   int(length),
		Sum:      uint32(sum),
	}, ok1 && ok2 && ok3 && ok4 && ok5 && ok6
}

// Intact reports whether body is the event that t describes. A server may have
// added the player's address as the last member, as POST /api/events does, and
// nothing else.
func (t Tag) Intact(body []byte) bool {
	if t.Length <= TagEnd || len(body) < t.Length || body[len(body)-1] != '}' {
		return false
	}
	if added := body[t.Length-1 : len(body)-1]; len(added) > 0 && !bytes.HasPrefix(added, []byte(`,"user_ip":"`)) {
		return false
	}
	return crc32.Checksum(body[TagEnd:t.Length-1], castagnoli) == t.Sum
}

const hexDigits = "0123456789abcdef"

func putHex(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = hexDigits[v&15]
		v >>= 4
	}
}

func getHex(src []byte) (v uint64, ok bool) {
	for _, c := range src {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// open begins an event with room for its tag. The dots that [Tag.Put] leaves
// alone are the separators.
func open(dst []byte) []byte {
	dst = append(dst, prefix...)
	return append(dst, blank...)
}

var blank = bytes.Repeat([]byte{'.'}, tagBytes)
