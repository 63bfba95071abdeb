package consumer

import (
	"fmt"
	"testing"

	"event-dispatcher/bench/load/event"
)

// Messages of WebSocket and of NATS end independently of each other, and of what is read
// at once.
func TestMessagesOfNATSAreEvents(t *testing.T) {
	said := "INFO {}\r\nPONG\r\n"
	size := 0
	for seq := range uint64(3) {
		message := fmt.Sprintf("MSG all 1 %d\r\n%s\r\n", len(body(seq+1)), body(seq+1))
		said += message
		size += len(message)
	}
	for _, part := range []int{1, 7, 125, 126, 200, len(said)} {
		var wire []byte
		for text := said; text != ""; {
			n := min(part, len(text))
			switch {
			case n < 126:
				wire = append(wire, wholeBinary, byte(n))
			default:
				wire = append(wire, wholeBinary, 126, byte(n>>8), byte(n))
			}
			wire = append(wire, text[:n]...)
			text = text[n:]
		}
		for _, read := range []int{1, 5, 333, len(wire)} {
			r := reception{stream: &stream{state: opening, wire: NATS, outer: new(unframer)}, run: run, envelope: new(event.Envelope)}
			for rest := wire; len(rest) > 0; {
				b := append([]byte{}, rest[:min(read, len(rest))]...)
				rest = rest[len(b):]
				n, err := r.outer.strip(b)
				if err == nil {
					err = r.read(append(append([]byte{}, r.rest...), b[:n]...))
				}
				if err != nil {
					t.Fatalf("messages of %d, reads of %d: %v", part, read, err)
				}
			}
			if r.state != reading || r.events != 3 || r.framed != uint64(size) || r.faults.Total() != 0 {
				t.Errorf("messages of %d, reads of %d: state %d, %d events in %d bytes, faults %+v; want reading, 3 in %d, none", part, read, r.state, r.events, r.framed, r.faults, size)
			}
		}
	}
}

func TestWhatIsNoNATSEndsTheStream(t *testing.T) {
	for _, said := range []string{"-ERR 'Authorization Violation'\r\n", "MSG all 1 x\r\n", "MSG all 1 -1\r\n", "HTTP/1.1 400\r\n"} {
		r := reception{stream: &stream{state: opening, wire: NATS, outer: new(unframer)}, envelope: new(event.Envelope)}
		if err := r.read([]byte(said)); err == nil {
			t.Errorf("%q is no error", said)
		}
	}
	for _, head := range []string{"\x81\x02", "\x82\x85", "\x02\x02", "\x88\x00"} {
		if _, err := new(unframer).strip([]byte(head)); err == nil {
			t.Errorf("the frame %x is no error", head)
		}
	}
}
