package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"event-dispatcher/bench/load/sock"
)

// First bytes of frames: the opcode (RFC 6455, section 5.2) and the bit that says
// that the frame is whole.
const (
	wholeText  = 0x81
	wholeClose = 0x88
	wholePing  = 0x89
	wholePong  = 0x8A
)

var errFrame = errors.New("a WebSocket frame that is neither a whole text, a ping nor a close")

// cutFrame finds the first frame of b. It reports false while that is incomplete.
func cutFrame(b []byte) (head int, payload []byte, ok bool, err error) {
	if len(b) < 2 {
		return 0, nil, false, nil
	}
	if b[0] != wholeText && b[0] != wholePing && b[0] != wholeClose || b[1]&0x80 != 0 {
		return 0, nil, false, errFrame
	}
	head, size := 2, uint64(b[1])
	switch size {
	case 126:
		if head = 4; len(b) < head {
			return 0, nil, false, nil
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, nil, false, nil
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	if size > maxFrame {
		return 0, nil, false, errNoEnd
	}
	if uint64(len(b)-head) < size {
		return 0, nil, false, nil
	}
	return head, b[head : head+int(size)], true, nil
}

// readFrames works through whole frames: a text is an event, or several with a line each
// as other servers write them, and a ping may say that events were skipped.
func (r *reception) readFrames(b []byte) error {
	for {
		head, payload, ok, err := cutFrame(b)
		if err != nil {
			return err
		}
		if !ok {
			r.rest = append(r.rest[:0], b...)
			return nil
		}
		switch b[0] {
		case wholeText:
			frame := head
			for line := range bytes.SplitSeq(payload, []byte{'\n'}) {
				r.event(line, frame+len(line))
				frame = len("\n")
			}
		case wholePing:
			if digits, ok := bytes.CutPrefix(payload, []byte("skipped ")); ok {
				if n, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
					r.skipped(n)
				}
			}
			r.pong(payload)
		}
		b = b[head+len(payload):]
	}
}

// pong answers a ping.
func (r *reception) pong(payload []byte) {
	_, _ = sock.Send(r.fd, clientFrame(wholePong, payload)) // a socket without room for it has worse troubles
}

// clientFrame is a frame of a client, of less than 64 KiB. The mask, which clients must use,
// may be anything: four zeros leave the payload as it is.
func clientFrame(first byte, payload []byte) []byte {
	out := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		out = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(out, 0, 0, 0, 0), payload...)
}
