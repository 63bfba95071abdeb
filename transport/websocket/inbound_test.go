package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	library "github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"event-dispatcher/transport/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A note is a peer that notes what it is told.
type note struct {
	heard int
	pings []string
	why   Reason
	end   []byte
	ended bool
}

func (n *note) Heard()              { n.heard++ }
func (n *note) Ping(payload []byte) { n.pings = append(n.pings, string(payload)) }
func (n *note) End(why Reason, answer []byte) {
	n.why, n.end, n.ended = why, answer, true
}

// code is the code of the close frame that answers.
func (n *note) code() int {
	if len(n.end) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint16(n.end[2:]))
}

// masked is a frame as clients send it.
func masked(op byte, payload string) []byte {
	b := wire.AppendTextHeader(nil, len(payload))
	b[0] = op
	b[1] |= 0x80
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

// feedIn feeds data in pieces.
func feedIn(data []byte, size int) *note {
	n, in := &note{}, &Inbound{}
	for data = bytes.Clone(data); len(data) > 0; {
		k := min(size, len(data))
		if !in.Feed(data[:k], n) {
			break
		}
		data = data[k:]
	}
	return n
}

// However it is cut into pieces, the same is made of it.
func TestPiecesMakeNoDifference(t *testing.T) {
	t.Parallel()
	all := bytes.Join([][]byte{
		masked(wire.OpText, "a€😀"), masked(wire.OpPing, "one"), masked(1, "a\xe2"), masked(wire.OpPing, strings.Repeat("p", 125)), masked(0, "\x82"),
		masked(wire.Final, "\xac"), masked(wire.Final|2, strings.Repeat("\xff", 70)), masked(wire.OpText, strings.Repeat("é", 300)), masked(wire.OpPong, ""),
		masked(wire.OpText, strings.Repeat("x", 60_000)), masked(wire.Final|2, ""), masked(wire.OpClose, "\x03\xe9gone"),
	}, nil)
	for _, size := range []int{1, 2, 3, 5, 7, 64, 1000, len(all)} {
		n := feedIn(all, size)
		if n.heard != 12 || len(n.pings) != 2 || n.pings[0] != "one" || n.why != ReasonLeft || n.code() != 1001 {
			t.Errorf("in pieces of %d: %d frames, %d pings, end %v %d; want 12, 2, %v 1001", size, n.heard, len(n.pings), n.why, n.code(), ReasonLeft)
		}
	}
}

func TestCloseCodes(t *testing.T) {
	t.Parallel()
	for code := range 6000 {
		valid := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		n := feedIn(masked(wire.OpClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))), 100)
		if want := map[bool]int{true: code, false: 1002}[valid]; n.code() != want {
			t.Errorf("close code %d is answered with %d; want %d", code, n.code(), want)
		}
	}
}

// A peer may send what a page has a use for, for ever.
func TestAFlowThatIsPaidBackGoesOn(t *testing.T) {
	var f flow
	now := time.Minute // since the program started
	for i := range 10_000 {
		if err := f.takeAt(flowRate, now); err != nil {
			t.Fatalf("second %d: %v", i, err.text)
		}
		now += time.Second
	}
	now += 1000 * time.Hour
	if f.takeAt(flowBurst, now) != nil {
		t.Error("after a long pause a burst is not taken")
	}
	if f.takeAt(1, now) == nil {
		t.Error("more than a burst is taken")
	}
}

// A library that many servers use is the judge of what breaks the protocol. We are
// stricter in what RFC 6455 demands besides: UTF-8, and no close frame of one byte; and
// we take a close code that was registered after the library was written. Two
// pings come behind the data, so that no header of theirs stays incomplete: the library
// refuses a length of more than 63 bits before it has the mask, the others with it.
func FuzzInboundAgreesWithALibrary(f *testing.F) {
	const badGateway = 1014 // IANA, WebSocket Close Code Number Registry
	f.Add(masked(wire.OpClose, "\x03\xf6bye"), uint8(200))
	f.Add(masked(wire.OpText, "a€"), uint8(1))
	f.Add(append(masked(1, "\xe2\x82"), masked(wire.Final, "x")...), uint8(3))
	f.Add(masked(wire.OpClose, "\x03\xe8bye"), uint8(200))
	f.Add(masked(wire.Final|3, "x"), uint8(2))
	f.Add([]byte{wire.OpText, 1, 'x'}, uint8(2))
	f.Add(append(masked(wire.OpPing, "p"), masked(wire.OpClose, "")...), uint8(2))
	f.Add(append(masked(1, strings.Repeat("x", maxMessage)), masked(wire.Final, "x")...), uint8(255))
	f.Add([]byte{2, 0xff, 0x99, '0', '0', '0', '0', '0', '0', '0', '0'}, uint8(14))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		data = slices.Concat(data, masked(wire.OpPing, ""), masked(wire.OpPing, ""))
		got := feedIn(data, 1+int(size))
		for _, strict := range []*breach{errUTF8, errClose, errFlood} {
			if got.ended && bytes.HasSuffix(got.end, []byte(strict.text)) {
				return
			}
		}
		if got.ended && got.code() == badGateway {
			return
		}
		if want, ended := judge(data); got.ended != ended || ended && got.why != want {
			t.Errorf("%.200x: ended %v, %v; the library says %v, %v", data, got.ended, got.why, ended, want)
		}
	})
}

// judge is how reading ends for the library, if it does before the data do.
func judge(data []byte) (why Reason, ended bool) {
	u := library.Upgrader{ReadBufferSize: 4096, CheckOrigin: func(*http.Request) bool { return true }}
	c, err := u.Upgrade(&script{in: bytes.NewReader(data)}, &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}, nil)
	if err != nil {
		panic(err)
	}
	c.SetReadLimit(maxMessage)
	for {
		_, message, err := c.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		var closed *library.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closed) && closed.Code != library.CloseAbnormalClosure:
			return ReasonLeft, true
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), closed != nil:
			return 0, false
		case errors.Is(err, library.ErrReadLimit):
			return ReasonTooBig, true
		default:
			return ReasonProtocol, true
		}
	}
}

// A script is a connection that says what it was given, and the HTTP server that it is
// taken out of.
type script struct {
	net.Conn
	in io.Reader
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) Header() http.Header              { return http.Header{} }
func (s *script) WriteHeader(int)                  {}
func (s *script) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return s, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), bufio.NewWriter(io.Discard)), nil
}
