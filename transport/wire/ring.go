package wire

import "strconv"

const (
	sizeDigits = 6
	chunkHead  = "000000\r\n"
	chunkTail  = "\r\n"
	dataField  = "data: "
	blankLine  = "\n\n" // ends the line, and then the block
)

// Lengths of what stands around the JSON of an event in the ring.
const (
	PrefixLen = len(chunkHead) + len(dataField)
	SuffixLen = len(suffix)
)

const suffix = blankLine + chunkTail

// Suffix follows the JSON of an event in the ring. It must not be modified.
var Suffix = []byte(suffix)

// MaxEvent is how long the JSON of an event may be for its chunk's size to have
// six digits.
const MaxEvent = 1<<(4*sizeDigits) - 1 - len(dataField) - len(blankLine)

// AppendPrefix appends what stands before n bytes of JSON in the ring.
func AppendPrefix(dst []byte, n int) []byte {
	at := len(dst)
	dst = append(dst, chunkHead+dataField...)
	putSize(dst[at:], len(dataField)+n+len(blankLine))
	return dst
}

// JSON is the event in a frame of the ring.
func JSON(frame []byte) []byte { return frame[PrefixLen : len(frame)-SuffixLen] }

// putSize writes n as six hexadecimal digits over the first bytes of p.
func putSize(p []byte, n int) {
	const digits = "0123456789abcdef"
	for i := sizeDigits - 1; i >= 0; i-- {
		p[i] = digits[n&0xf]
		n >>= 4
	}
}

// AppendChunk appends body as one chunk of no more bytes than it needs, unless it is
// empty: an empty one would end the stream.
func AppendChunk(dst, body []byte) []byte {
	if len(body) == 0 {
		return dst
	}
	dst = append(strconv.AppendUint(dst, uint64(len(body)), 16), "\r\n"...)
	return append(append(dst, body...), chunkTail...)
}

// closeChunk ends the chunk whose head begins at a place in dst.
func closeChunk(dst []byte, at int) []byte {
	putSize(dst[at:], len(dst)-at-len(chunkHead))
	return append(dst, chunkTail...)
}
