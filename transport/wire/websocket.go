package wire

import "encoding/binary"

// First bytes of frames: the opcode (RFC 6455, section 5.2) and the bit that says that
// the frame is whole.
const (
	Final   = 0x80
	OpText  = Final | 0x1
	OpClose = Final | 0x8
	OpPing  = Final | 0x9
	OpPong  = Final | 0xA
)

const (
	MaxControl    = 125 // bytes of payload of a control frame (section 5.5)
	MaxTextHeader = 10  // size of the largest header of a frame
)

// Close codes (RFC 6455, section 7.4.1).
const (
	CodeGoingAway = 1001
	CodeProtocol  = 1002
	CodeNotUTF8   = 1007
	CodePolicy    = 1008
	CodeTooBig    = 1009
)

// AppendTextHeader appends what goes before a text of n bytes to make it a frame.
// Servers do not mask (RFC 6455, section 5.1).
func AppendTextHeader(dst []byte, n int) []byte { return appendHeader(dst, OpText, n) }

func appendHeader(dst []byte, op byte, n int) []byte {
	switch {
	case n <= MaxControl:
		return append(dst, op, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(n))
}

// AppendPing appends a ping frame.
func AppendPing(dst []byte, payload string) []byte {
	return append(appendHeader(dst, OpPing, len(payload)), payload...)
}

// AppendPong appends a pong frame.
func AppendPong(dst []byte, payload string) []byte {
	return append(appendHeader(dst, OpPong, len(payload)), payload...)
}

// AppendClose appends a close frame with a code and a reason.
func AppendClose(dst []byte, code int, text string) []byte {
	dst = binary.BigEndian.AppendUint16(appendHeader(dst, OpClose, 2+len(text)), uint16(code))
	return append(dst, text...)
}
