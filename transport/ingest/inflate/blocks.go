package inflate

import "encoding/binary"

// Blocks counts the compressed blocks of a body in Zstandard: each may describe tables that take
// the decoder some microseconds to build, however small it is. It reads the headers only
// (RFC 8878, section 3.1.1), and stops where a body is not well-formed: there the decoder
// does, too.
func Blocks(body []byte) (n int) {
	const magic, skippable, skippableMask = 0xFD2FB528, 0x184D2A50, 0xFFFFFFF0
	for len(body) >= 4 {
		switch m := binary.LittleEndian.Uint32(body); {
		case m == magic:
			var blocks int
			blocks, body = frameBlocks(body[4:])
			n += blocks
		case m&skippableMask == skippable && len(body) >= 8:
			body = behind(body, 8+int(binary.LittleEndian.Uint32(body[4:])))
		default:
			return n
		}
	}
	return n
}

// frameBlocks is that of a frame, behind its magic number, and what follows the frame.
func frameBlocks(body []byte) (n int, rest []byte) {
	if len(body) == 0 {
		return 0, nil
	}
	descriptor := body[0]
	single, checksum := descriptor>>5&1 != 0, descriptor>>2&1 != 0
	head := 1 + []int{0, 1, 2, 4}[descriptor&3] + []int{0, 2, 4, 8}[descriptor>>6]
	if single && descriptor>>6 == 0 {
		head++
	}
	if !single {
		head++ // the window
	}
	const raw, rle, compressed = 0, 1, 2
	for body = behind(body, head); len(body) >= 3; {
		header := int(body[0]) | int(body[1])<<8 | int(body[2])<<16
		last, kind, size := header&1 != 0, header>>1&3, header>>3
		switch kind {
		case raw:
		case rle:
			size = 1
		case compressed:
			n++
		default:
			return n, nil
		}
		body = behind(body, 3+size)
		if last {
			if checksum {
				body = behind(body, 4)
			}
			return n, body
		}
	}
	return n, nil
}

// behind is what follows n bytes.
func behind(body []byte, n int) []byte { return body[min(n, len(body)):] }
