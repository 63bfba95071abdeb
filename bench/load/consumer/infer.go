package consumer

import "math"

// Length of a `: skipped N` comment without its digits: as a chunk of its own, or
// with the empty line that ends it where there are no chunks.
const (
	chunkedNotice = len("000000\r\n") + len(": skipped ") + len("\n") + len("\r\n")
	frameNotice   = len("\x89n") + len("skipped ") // a ping
	plainNotice   = len(": skipped ") + len("\n\n")
)

// infer explains the bytes that a counting stream received beside whole
// frames, once it is known how many events it is owed. If they are as long as
// notices about just as many events as are missing, that is what they were.
// Streams that read everything check the numbers themselves.
//
// A stream lapped so often that its notices are longer than a frame stays
// unexplained: a guess so wide would prove nothing.
func (s *stream) infer() {
	if s.discarded == 0 {
		return
	}
	odd := s.discarded % uint64(s.frame)
	if odd == 0 {
		return
	}
	e := &s.entry
	missing := e.Owed() - min(e.Owed(), e.Accounted())
	each := plainNotice
	switch {
	case s.wire == WebSocket:
		each = frameNotice
	case s.chunked:
		each = chunkedNotice
	}
	if !notices(int(odd), each, missing) {
		s.faults.Framing++
		return
	}
	e.Skipped += missing
	e.Inferred = missing
}

// notices reports whether some notices of together size bytes, each of them so long
// without its digits, can be about n events.
func notices(size, noticeBytes int, n uint64) bool {
	for count := 1; count*(noticeBytes+1) <= size; count++ {
		digits := size - count*noticeBytes
		// The smallest sum has digits spread evenly, the largest has all
		// that can be spared in one number.
		even, more := digits/count, digits%count
		least := float64(count-more)*smallest(even) + float64(more)*smallest(even+1)
		most := float64(count-1)*9 + math.Pow10(digits-count+1) - 1
		if float64(n) >= least && float64(n) <= most {
			return true
		}
	}
	return false
}

// smallest is the smallest number of so many digits that a notice can hold.
func smallest(digits int) float64 { return math.Pow10(digits - 1) }
