package ws

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Fault 18: every abuse has its close code, and ends the connection.
func TestAbuseIsAnsweredWithItsCloseCode(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{})
	text, binaryOp, continuation := byte(opText), byte(final|2), byte(final)
	for _, tt := range []struct {
		name  string
		bytes []byte
		code  uint16
		why   Reason
	}{
		{"not masked", []byte{opText, 1, 'x'}, 1002, ReasonProtocol},
		{"reserved bit", clientFrame(text|0x40, "x"), 1002, ReasonProtocol},
		{"unknown opcode", clientFrame(final|3, "x"), 1002, ReasonProtocol},
		{"continuation of nothing", clientFrame(continuation, "x"), 1002, ReasonProtocol},
		{"text within a text", append(clientFrame(1, "x"), clientFrame(1, "y")...), 1002, ReasonProtocol},
		{"ping in parts", clientFrame(9, "x"), 1002, ReasonProtocol},
		{"long ping", clientFrame(opPing, strings.Repeat("x", 126)), 1002, ReasonProtocol},
		{"close code 1005", clientFrame(opClose, "\x03\xed"), 1002, ReasonProtocol},
		{"text that is not UTF-8", clientFrame(text, "\xff"), 1007, ReasonNotUTF8},
		{"text that ends in a character", clientFrame(text, "ab\xe2\x82"), 1007, ReasonNotUTF8},
		{"surrogate", clientFrame(text, "\xed\xa0\x80"), 1007, ReasonNotUTF8},
		{"bad character across parts", append(clientFrame(1, "\xe2\x82"), clientFrame(continuation, "x")...), 1007, ReasonNotUTF8},
		{"65,537 bytes", clientFrame(text, strings.Repeat("x", maxMessage+1)), 1009, ReasonTooBig},
		{"too much in parts", append(clientFrame(1, strings.Repeat("x", maxMessage)), clientFrame(continuation, "x")...), 1009, ReasonTooBig},
		{"1 GiB declared", binary.BigEndian.AppendUint64([]byte{binaryOp, 0xff}, 1<<30), 0, 0}, // see below
		{"normal close", clientFrame(opClose, "\x03\xe8bye"), 1000, ReasonLeft},
		{"own close code", clientFrame(opClose, "\x0f\xa0"), 4000, ReasonLeft},
	} {
		if tt.name == "1 GiB declared" {
			tt.bytes, tt.code, tt.why = append(tt.bytes, 0, 0, 0, 0), 1009, ReasonTooBig
		}
		t.Run(tt.name, func(t *testing.T) {
			before := h.Stats().Closed[tt.why]
			c, br := h.raw("p/u?replay=0")
			go c.Write(tt.bytes)
			op, payload, err := readFrame(br)
			if err != nil || op != opClose || len(payload) < 2 || binary.BigEndian.Uint16(payload) != tt.code {
				t.Fatalf("answer = %x %q, %v; want close %d", op, payload, err, tt.code)
			}
			if _, err := io.Copy(io.Discard, br); err != nil {
				t.Errorf("after the close frame: %v; want the end of the connection", err)
			}
			c.Close()
			h.eventually("counted by reason", func() bool { return h.Stats().Closed[tt.why] == before+1 })
		})
	}
	h.eventually("no socket is left", func() bool { return h.Stats().Sockets == 0 })
}

func TestWhatClientsMaySendIsIgnored(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{})
	c, br := h.raw("p/u?replay=0")
	for _, b := range [][]byte{
		clientFrame(opText, strings.Repeat("é", maxMessage/2)),
		clientFrame(final|2, "\xff\xfe"),
		clientFrame(1, "\xe2\x82"), clientFrame(opPing, "in between"), clientFrame(final, "\xac"),
		clientFrame(opText, ""),
		clientFrame(opPong, "unasked"),
	} {
		c.Write(b)
	}
	if op, payload, err := readFrame(br); op != opPong || string(payload) != "in between" || err != nil {
		t.Errorf("answer = %x %q, %v; want the pong only", op, payload, err)
	}
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	h.submit("p", "x", "still here")
	if op, payload, err := readFrame(br); op != opText || !strings.Contains(string(payload), "still here") {
		t.Errorf("then %x %q, %v; want the event", op, payload, err)
	}
}

func TestFramesThatComeWithTheHandshakeAreRead(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{})
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /p/u HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s", clientFrame(opPing, "early"))
	br := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		if line, err = br.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if op, payload, err := readFrame(br); op != opPong || string(payload) != "early" || err != nil {
		t.Errorf("answer = %x %q, %v; want the pong", op, payload, err)
	}
}

func TestTwoPingsWithoutAnAnswerEndASocket(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{Ping: 50 * time.Millisecond})
	_, br := h.raw("p/dead")
	pings := 0
	for {
		op, payload, err := readFrame(br)
		if err != nil {
			t.Fatal(err)
		}
		if op == opPing {
			pings++
			continue
		}
		if op != opClose || binary.BigEndian.Uint16(payload) != codePolicy {
			t.Errorf("after %d pings: %x %q; want close 1008", pings, op, payload)
		}
		break
	}
	if pings != 2 {
		t.Errorf("%d pings; want 2", pings)
	}
	h.eventually("counted", func() bool { return h.Stats().Closed[ReasonSilent] == 1 })
}

func TestSocketThatAnswersIsPingedOn(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{Ping: time.Second}) // a slow machine has two to answer
	alive := h.dial("p/alive")
	go func() { // the client answers pings while it reads
		for {
			if _, err := alive.read(); err != nil {
				return
			}
		}
	}()
	for range 4 {
		select {
		case <-alive.pings:
		case <-time.After(patience):
			t.Fatal("the socket that answers is pinged no more")
		}
	}
}

func TestSocketThatTakesNothingIsStalled(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{Stall: 200 * time.Millisecond})
	h.raw("p/stuck?replay=0")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	pad := strings.Repeat("x", 200<<10)
	h.eventually("cut", func() bool {
		h.submit("p", "x", pad)
		return h.Stats().Closed[ReasonStalled] == 1
	})
	h.eventually("gone, with all that waited for it", func() bool { return h.Stats().Sockets == 0 && h.Stats().Held == 0 })
}

// A million pings from a peer that reads none of the answers.
func TestPingFloodCostsNoMemory(t *testing.T) {
	h := newHost(t, Options{})
	c, _ := h.raw("p/flood?replay=0")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	flood := []byte(strings.Repeat(string(clientFrame(opPing, strings.Repeat("p", 125))), 500))
	measure := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure()
	for range 200 { // 100,000 pings, 13 MB
		if _, err := c.Write(flood); err != nil {
			t.Fatalf("Write() = %v; want the flood to be read", err)
		}
	}
	// The heap of a test is never quite still; what is held for the peer stays.
	h.eventually("at most 64 KiB more than before the flood", func() bool { return measure() <= before+64<<10 })
}

func TestCloseRacesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	h := newHost(t, Options{Grace: time.Millisecond})
	stop := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				h.submit("p", "x", fmt.Sprint(n))
			}
		}
	}()
	for i := range 200 {
		c, _ := h.raw(fmt.Sprintf("p/u%d", i%7))
		switch i % 4 {
		case 0:
			c.Close()
		case 1:
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		case 2:
			c.Write(clientFrame(opClose, ""))
			c.Close()
		case 3:
			c.Write([]byte{opText}) // half a header
			c.(*net.TCPConn).CloseWrite()
		}
	}
	h.eventually("no socket is left", func() bool { return h.Stats().Sockets == 0 })
	close(stop)
	h.eventually("nothing is held", func() bool { return h.Stats().Held == 0 })
}

func FuzzIgnoreAgreesWithUTF8(f *testing.F) {
	f.Add("a€", 1)
	f.Add("\xed\xa0\x80", 2)
	f.Add(strings.Repeat("é", 3000), 7)
	f.Fuzz(func(t *testing.T, text string, part int) {
		valid, err := ignore(&parts{text, 1 + part&0xfff}, true)
		if valid != utf8.ValidString(text) || err != nil {
			t.Errorf("ignore(%q in parts of %d) = %v, %v; want %v", text, part, valid, err, utf8.ValidString(text))
		}
	})
}

// parts reads a text a few bytes at a time.
type parts struct {
	rest string
	n    int
}

func (p *parts) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(p.n, len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
