package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"event-dispatcher/bench/load/sock"
)

// NATS' protocol of clients (docs.nats.io, "NATS Protocol") in binary WebSocket messages,
// which begin and end anywhere in it.
const (
	wholeBinary = 0x82

	natsSubscribe = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"protocol\":1}\r\nSUB all 1\r\nPING\r\n"
	natsPong      = "PONG\r\n"
)

var errProtocol = errors.New("neither INFO, MSG, PING, PONG nor +OK of NATS")

// unframer takes the heads of binary messages away in place.
type unframer struct {
	left uint64 // bytes of the current message still to come
	head []byte // beginning of a message's head
}

// strip moves the content of b to its front and returns its length.
func (u *unframer) strip(b []byte) (n int, err error) {
	in := b
	for len(in) > 0 {
		if u.left > 0 {
			k := int(min(u.left, uint64(len(in))))
			copy(b[n:], in[:k])
			n += k
			u.left -= uint64(k)
			in = in[k:]
			continue
		}
		u.head = append(u.head, in[0])
		in = in[1:]
		if u.head[0] != wholeBinary || len(u.head) > 1 && u.head[1]&0x80 != 0 {
			return n, fmt.Errorf("a WebSocket frame that is no whole binary message: %x", u.head)
		}
		size, whole := u.size()
		if whole {
			u.left, u.head = size, u.head[:0]
		}
	}
	return n, nil
}

// size is that of the message whose head there is, if it is whole.
func (u *unframer) size() (size uint64, whole bool) {
	if len(u.head) < 2 {
		return 0, false
	}
	switch n := u.head[1]; {
	case n == 126 && len(u.head) == 4:
		return uint64(binary.BigEndian.Uint16(u.head[2:])), true
	case n == 127 && len(u.head) == 10:
		return binary.BigEndian.Uint64(u.head[2:]), true
	default:
		return uint64(n), n < 126
	}
}

// subscribe asks for the events; b came behind the answer's head.
func (r *reception) subscribe(b []byte) error {
	if _, errno := sock.Send(r.fd, clientFrame(wholeBinary, []byte(natsSubscribe))); errno != 0 {
		return fmt.Errorf("subscribe: %w", errno)
	}
	r.outer = new(unframer)
	n, err := r.outer.strip(b)
	if err != nil {
		return err
	}
	return r.readNATS(b[:n])
}

// readNATS works through whole messages of the protocol. A consumer listens once its PING
// behind the subscription is answered.
func (r *reception) readNATS(b []byte) error {
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			break
		}
		used := len(line) + len("\r\n")
		name, args, _ := bytes.Cut(line, []byte(" "))
		switch string(name) {
		case "INFO", "+OK":
		case "PONG":
			r.state = reading
		case "PING":
			_, _ = sock.Send(r.fd, clientFrame(wholeBinary, []byte(natsPong)))
		case "MSG":
			size, err := strconv.Atoi(string(args[bytes.LastIndexByte(args, ' ')+1:]))
			if err != nil || size < 0 || size > maxFrame {
				return errProtocol
			}
			if used += size + len("\r\n"); used > len(b) {
				r.rest = append(r.rest[:0], b...)
				return nil
			}
			r.event(rest[:size], used)
		default:
			return fmt.Errorf("%w: %.60q", errProtocol, line)
		}
		b = b[used:]
	}
	if len(b) > maxFrame {
		return errNoEnd
	}
	r.rest = append(r.rest[:0], b...)
	return nil
}
