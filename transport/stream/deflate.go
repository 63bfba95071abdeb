package stream

import (
	"encoding/binary"
	"hash/crc32"

	"event-dispatcher/transport/wire"
)

// gzipHead begins a gzip stream without a name and a time (RFC 1952, section 2.3).
const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// appendStored appends p as stored blocks (RFC 1951, section 3.2.4), which can stand
// wherever blocks end on a byte. The last one may end the stream.
func appendStored(dst, p []byte, final bool) []byte {
	const most = 1<<16 - 1
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), most)
		var head [5]byte
		if final && n == len(p) {
			head[0] = 1
		}
		binary.LittleEndian.PutUint16(head[1:], uint16(n))
		binary.LittleEndian.PutUint16(head[3:], ^uint16(n))
		dst = append(append(dst, head[:]...), p[:n]...)
		p = p[n:]
	}
	return dst
}

// A checksum is that of all bytes up to some place in a stream.
type checksum struct {
	crc  uint32
	size uint64
}

func (s *checksum) write(p []byte) {
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	s.size += uint64(len(p))
}

// add continues s by what a longer stream has between two places. Checksums are linear:
// that of A followed by B is that of A, shifted by the length of B, xor that of B.
func (s *checksum) add(from, to checksum) {
	n := to.size - from.size
	if n == 0 {
		return
	}
	between := to.crc ^ shiftCRC(from.crc, n)
	s.crc = shiftCRC(s.crc, n) ^ between
	s.size += n
}

// shiftCRC is the checksum of what has the checksum crc, followed by n zeros, less
// that of the zeros: crc times x to the 8n, modulo the polynomial of gzip.
func shiftCRC(crc uint32, n uint64) uint32 {
	power := uint32(1) << 23 // x to the 8; bit 31 is x to the 0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			crc = multiplyCRC(crc, power)
		}
		power = multiplyCRC(power, power)
	}
	return crc
}

func multiplyCRC(a, b uint32) (product uint32) {
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}

// A gzipped is the checksum of one consumer's stream. What the herd was sent since the
// consumer entered is added by settle.
type gzipped struct {
	sum     checksum
	entered checksum // the herd's, when it did
}

// appendPrivate appends bytes for one consumer only, who stands between two blocks.
func (z *gzipped) appendPrivate(dst []byte, f wire.Format, plain []byte) []byte {
	z.sum.write(plain)
	// The empty block has decoders hand out what they hold, as after a flush.
	return frameBlock(dst, f, appendStored(appendStored(nil, plain, false), nil, false))
}

// appendLast is appendPrivate for what ends the stream.
func (z *gzipped) appendLast(dst []byte, f wire.Format, plain []byte) []byte {
	z.sum.write(plain)
	b := appendStored(nil, plain, true)
	b = binary.LittleEndian.AppendUint32(b, z.sum.crc)
	b = binary.LittleEndian.AppendUint32(b, uint32(z.sum.size))
	return f.AppendEnd(frameBlock(dst, f, b))
}

func frameBlock(dst []byte, f wire.Format, block []byte) []byte {
	if f.Unchunked {
		return append(dst, block...)
	}
	return wire.AppendChunk(dst, block)
}
