package consumer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"event-dispatcher/bench/load/event"
)

// A server may put several events into one message, a line each.
func TestLinesOfAMessageAreEvents(t *testing.T) {
	joined := body(1) + "\n" + body(2) + "\n" + body(3)
	message := append(binary.BigEndian.AppendUint16([]byte{wholeText, 126}, uint16(len(joined))), joined...)
	r := reception{stream: &stream{state: reading, wire: WebSocket}, run: run, envelope: new(event.Envelope)}
	if err := r.read(message); err != nil {
		t.Fatal(err)
	}
	if r.events != 3 || r.framed != uint64(len(message)) || r.faults.Total() != 0 {
		t.Errorf("%d events in %d bytes of %d, faults %+v; want 3 in all of them, none", r.events, r.framed, len(message), r.faults)
	}
}

func TestCutFrame(t *testing.T) {
	long := append([]byte{wholeText, 126, 1, 0}, bytes.Repeat([]byte{'x'}, 256)...)
	for _, tt := range []struct {
		name string
		in   []byte
		head int
		size int
		ok   bool
		err  error
	}{
		{"short", []byte("\x81\x02{}\x81"), 2, 2, true, nil},
		{"long", long, 4, 256, true, nil},
		{"half a head", long[:3], 0, 0, false, nil},
		{"half a payload", long[:100], 0, 0, false, nil},
		{"ping", []byte("\x89\x00"), 2, 0, true, nil},
		{"masked", []byte("\x81\x82abcd{}"), 0, 0, false, errFrame},
		{"a part of a message", []byte("\x01\x02{}"), 0, 0, false, errFrame},
		{"too long", []byte{wholeText, 127, 1, 0, 0, 0, 0, 0, 0, 0}, 0, 0, false, errNoEnd},
	} {
		head, payload, ok, err := cutFrame(tt.in)
		if head != tt.head && tt.ok || len(payload) != tt.size || ok != tt.ok || err != tt.err {
			t.Errorf("%s: %d, %d bytes, %v, %v", tt.name, head, len(payload), ok, err)
		}
	}
}
