package wire

import "encoding/binary"

// First bytes of the frames that are written: the opcode (RFC 6455, section 5.2)
// and the bit that says that the frame is whole.
const (
	opText  = 0x81
	opClose = 0x88
	opPing  = 0x89
	opPong  = 0x8A
)

const (
	MaxControl    = 125 // bytes of payload of a control frame (section 5.5)
	MaxTextHeader = 10  // size of the largest header of a frame

	goingAway       = 1001 // close codes (section 7.4.1)
	policyViolation = 1008
)

// AppendTextHeader appends what goes before a text of n bytes to make it a frame.
// Servers do not mask (RFC 6455, section 5.1).
func AppendTextHeader(dst []byte, n int) []byte { return appendHeader(dst, opText, n) }

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
	return append(appendHeader(dst, opPing, len(payload)), payload...)
}

// AppendPong appends a pong frame.
func AppendPong(dst []byte, payload string) []byte {
	return append(appendHeader(dst, opPong, len(payload)), payload...)
}

// AppendClose appends a close frame with a code and a reason.
func AppendClose(dst []byte, code int, text string) []byte {
	dst = binary.BigEndian.AppendUint16(appendHeader(dst, opClose, 2+len(text)), uint16(code))
	return append(dst, text...)
}
