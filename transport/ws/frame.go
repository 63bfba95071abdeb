package ws

import (
	"encoding/binary"
	"strconv"
)

// Opcodes (RFC 6455, section 5.2), with the bit that says that the frame is whole.
const (
	final      = 0x80
	opText     = final | 0x1
	opClose    = final | 0x8
	opPing     = final | 0x9
	opPong     = final | 0xA
	maxControl = 125 // bytes in a control frame (section 5.5)
)

// Close codes (RFC 6455, section 7.4.1).
const (
	codeGoingAway = 1001
	codeNotUTF8   = 1007
	codePolicy    = 1008
)

// MaxTextHeader is the size of the largest header that AppendTextHeader appends.
const MaxTextHeader = 10

// AppendTextHeader appends what goes before a text of n bytes to make it a frame.
// Servers do not mask (RFC 6455, section 5.1).
func AppendTextHeader(dst []byte, n int) []byte { return appendHeader(dst, opText, n) }

func appendHeader(dst []byte, op byte, n int) []byte {
	switch {
	case n <= maxControl:
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

// AppendSkipped appends the notice that n events were skipped. Every data frame is
// an event, so it is a ping: clients answer it without showing it, and who looks
// finds the number.
func AppendSkipped(dst []byte, n uint64) []byte {
	return AppendPing(dst, "skipped "+strconv.FormatUint(n, 10))
}

// AppendGoingAway appends the close frame of a shutdown.
func AppendGoingAway(dst []byte) []byte {
	return append(dst, closeFrame(codeGoingAway, "shutting down")...)
}

func pongFrame(payload string) []byte {
	return append(appendHeader(nil, opPong, len(payload)), payload...)
}

// closeFrame is a close frame with a code and a reason.
func closeFrame(code int, text string) []byte {
	b := appendHeader(nil, opClose, 2+len(text))
	return append(binary.BigEndian.AppendUint16(b, uint16(code)), text...)
}
