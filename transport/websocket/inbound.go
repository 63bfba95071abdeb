package websocket

import (
	"encoding/binary"
	"unicode/utf8"

	"event-dispatcher/transport/wire"
)

// maxMessage is the largest message that a peer may send. It is read and ignored.
const maxMessage = 64 << 10

// A Peer is told what comes in on a connection. Its methods must not wait.
type Peer interface {
	// Heard is told that a frame came.
	Heard()
	// Ping is a ping's payload, which a pong has to bring back. It is borrowed.
	Ping(payload []byte)
	// End says that nothing more is read, and why. The answer is a close frame to be
	// written; nil if there is none.
	End(why Reason, answer []byte)
}

// An Inbound is where the reading of a connection stands: RFC 6455, section 5. Its zero
// value is the begin.
type Inbound struct {
	head    [14]byte // of the frame that is being read
	have    uint8    // bytes of the header, until it is whole
	left    int32    // bytes of the payload that are still to come
	size    int32    // of the message so far
	message bool     // between the first frame of a message and its last
	text    bool     // it is a text
	kept    [utf8.UTFMax]byte
	partial uint8  // bytes kept: of a character that is not whole yet
	control []byte // payload of a control frame so far
	flow    flow
}

// A breach is what ends the reading: a reason, and the close code and text that say it.
type breach struct {
	why  Reason
	code int
	text string
}

var (
	errMask     = &breach{ReasonProtocol, wire.CodeProtocol, "frames of clients are masked"}
	errReserved = &breach{ReasonProtocol, wire.CodeProtocol, "a reserved bit is set"}
	errOpcode   = &breach{ReasonProtocol, wire.CodeProtocol, "unknown opcode"}
	errControl  = &breach{ReasonProtocol, wire.CodeProtocol, "a control frame is too long, or in parts"}
	errOrder    = &breach{ReasonProtocol, wire.CodeProtocol, "a continuation is missing, or of nothing"}
	errClose    = &breach{ReasonProtocol, wire.CodeProtocol, "the close frame has no valid code"}
	errUTF8     = &breach{ReasonNotUTF8, wire.CodeNotUTF8, "not valid UTF-8"}
	errTooBig   = &breach{ReasonTooBig, wire.CodeTooBig, "the message is over 64 KiB"}
	errFlood    = &breach{ReasonFlood, wire.CodePolicy, "too much was sent"}
)

// Feed takes what came in, in pieces of any size, and overwrites it. It reports false
// when reading ends: then it has called p.End.
func (in *Inbound) Feed(data []byte, p Peer) bool {
	b := in.flow.take(len(data))
	for b == nil && len(data) > 0 {
		var end []byte
		if data, end, b = in.step(data, p); end != nil {
			p.End(ReasonLeft, end)
			return false
		}
	}
	if b != nil {
		p.End(b.why, wire.AppendClose(nil, b.code, b.text))
		return false
	}
	return true
}

// step takes a part of data. It returns the rest, and the answer to a close frame.
func (in *Inbound) step(data []byte, p Peer) (rest, end []byte, b *breach) {
	if in.left == 0 {
		n := copy(in.head[in.have:in.need()], data)
		had := in.have
		in.have += uint8(n)
		if had < 2 && in.have >= 2 {
			if b = in.begin(); b != nil {
				return nil, nil, b
			}
		}
		if in.have < in.need() {
			return data[n:], nil, nil
		}
		if b = in.whole(); b != nil {
			return nil, nil, b
		}
		if data = data[n:]; in.left > 0 {
			return data, nil, nil
		}
	}
	n := min(len(data), int(in.left))
	if b = in.payload(data[:n]); b != nil {
		return nil, nil, b
	}
	if in.left > 0 {
		return data[n:], nil, nil
	}
	end, b = in.finish(p)
	in.have = 0
	return data[n:], end, b
}

func (in *Inbound) final() bool       { return in.head[0]&wire.Final != 0 }
func (in *Inbound) opcode() byte      { return in.head[0] & 0x0f }
func (in *Inbound) isControl() bool   { return in.opcode() >= wire.OpClose&0x0f }
func (in *Inbound) maskAt(i int) byte { return in.head[2+in.lengthBytes()+i&3] }

// lengthBytes is how many bytes of the header have a length of its own.
func (in *Inbound) lengthBytes() int {
	switch in.head[1] & 0x7f {
	case 126:
		return 2
	case 127:
		return 8
	}
	return 0
}

// need is the size of the header, as far as it is known.
func (in *Inbound) need() uint8 {
	if in.have < 2 {
		return 2
	}
	return uint8(2 + in.lengthBytes() + 4)
}

// begin looks at the first two bytes of a header.
func (in *Inbound) begin() *breach {
	op, length := in.opcode(), in.head[1]&0x7f
	switch {
	case in.head[0]&0x70 != 0:
		return errReserved
	case op > 2 && op < 8 || op > 10:
		return errOpcode
	case in.head[1]&0x80 == 0:
		return errMask
	case in.isControl() && (!in.final() || length > wire.MaxControl):
		return errControl
	case !in.isControl() && (op == 0) != in.message:
		return errOrder
	}
	return nil
}

// whole looks at a header that is there.
func (in *Inbound) whole() *breach {
	length, bytes := uint64(in.head[1]&0x7f), in.lengthBytes()
	switch bytes {
	case 2:
		length = uint64(binary.BigEndian.Uint16(in.head[2:]))
	case 8:
		length = binary.BigEndian.Uint64(in.head[2:])
	}
	if !in.isControl() {
		if length > uint64(maxMessage-in.size) {
			return errTooBig
		}
		if op := in.opcode(); op != 0 {
			in.message, in.text = true, op == wire.OpText&0x0f
		}
		in.size += int32(length)
	}
	in.left = int32(length)
	return nil
}

// payload takes a part of a frame's payload.
func (in *Inbound) payload(data []byte) *breach {
	done := int(in.length() - in.left)
	in.left -= int32(len(data))
	if !in.isControl() && !in.text {
		return nil
	}
	var mask [4]byte
	for i := range mask {
		mask[i] = in.maskAt(done + i)
	}
	for i := range data {
		data[i] ^= mask[i&3]
	}
	if in.isControl() {
		in.control = append(in.control, data...)
		return nil
	}
	return in.checkText(data)
}

// length is that of the frame's payload, whose header is whole.
func (in *Inbound) length() int32 {
	switch in.lengthBytes() {
	case 2:
		return int32(binary.BigEndian.Uint16(in.head[2:]))
	case 8:
		return int32(binary.BigEndian.Uint64(in.head[2:]))
	}
	return int32(in.head[1] & 0x7f)
}

// checkText looks at each part of a text as it comes: the first wrong byte is the last
// one read (RFC 6455, section 8.1).
func (in *Inbound) checkText(p []byte) *breach {
	for in.partial > 0 && len(p) > 0 {
		in.kept[in.partial] = p[0]
		in.partial++
		p = p[1:]
		if char := in.kept[:in.partial]; utf8.FullRune(char) {
			if !utf8.Valid(char) {
				return errUTF8
			}
			in.partial = 0
		}
	}
	rest, ok := checkUTF8(p)
	if !ok {
		return errUTF8
	}
	in.partial += uint8(copy(in.kept[in.partial:], rest))
	return nil
}

// checkUTF8 returns what may be the beginning of a character at the end of p.
func checkUTF8(p []byte) (rest []byte, ok bool) {
	if utf8.Valid(p) {
		return nil, true
	}
	for i := max(0, len(p)-utf8.UTFMax+1); i < len(p); i++ {
		if utf8.RuneStart(p[i]) && !utf8.FullRune(p[i:]) {
			return p[i:], utf8.Valid(p[:i])
		}
	}
	return nil, false
}

// finish is for a frame that is whole. It returns the answer to a close frame.
func (in *Inbound) finish(p Peer) (end []byte, b *breach) {
	if b = in.flow.take(frameCost); b != nil {
		return nil, b
	}
	p.Heard()
	payload := in.control
	in.control = nil // idle connections keep no array
	switch in.opcode() {
	case wire.OpPing & 0x0f:
		p.Ping(payload)
	case wire.OpClose & 0x0f:
		return answerClose(payload)
	case wire.OpPong & 0x0f:
	default:
		if !in.final() {
			return nil, nil
		}
		if in.partial > 0 {
			return nil, errUTF8
		}
		in.message, in.text, in.size = false, false, 0
	}
	return nil, nil
}

// answerClose checks a close frame's payload, and brings back its code.
func answerClose(payload []byte) (answer []byte, b *breach) {
	if len(payload) == 0 {
		return []byte{wire.OpClose, 0}, nil
	}
	if len(payload) == 1 || !validCode(binary.BigEndian.Uint16(payload)) {
		return nil, errClose
	}
	if !utf8.Valid(payload[2:]) {
		return nil, errUTF8
	}
	return wire.AppendClose(nil, int(binary.BigEndian.Uint16(payload)), ""), nil
}

// validCode reports whether a close code may be sent (RFC 6455, section 7.4, and IANA's
// registry).
func validCode(code uint16) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != 1005 && code != 1006
	}
	return false
}
