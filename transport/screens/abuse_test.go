package screens

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// Fault 18: every abuse has its close code, and ends the connection.
func TestAbuseIsAnsweredWithItsCloseCode(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	text, binaryOp, continuation := byte(opText), byte(final|2), byte(final)
	for _, tt := range []struct {
		name  string
		bytes []byte
		code  uint16
		why   websocket.Reason
	}{
		{"not masked", []byte{opText, 1, 'x'}, 1002, websocket.ReasonProtocol},
		{"reserved bit", clientFrame(text|0x40, "x"), 1002, websocket.ReasonProtocol},
		{"unknown opcode", clientFrame(final|3, "x"), 1002, websocket.ReasonProtocol},
		{"continuation of nothing", clientFrame(continuation, "x"), 1002, websocket.ReasonProtocol},
		{"text within a text", append(clientFrame(1, "x"), clientFrame(1, "y")...), 1002, websocket.ReasonProtocol},
		{"ping in parts", clientFrame(9, "x"), 1002, websocket.ReasonProtocol},
		{"long ping", clientFrame(opPing, strings.Repeat("x", 126)), 1002, websocket.ReasonProtocol},
		{"close frame of one byte", clientFrame(opClose, "\x03"), 1002, websocket.ReasonProtocol},
		{"close reason that is not UTF-8", clientFrame(opClose, "\x03\xe8\xff"), 1007, websocket.ReasonNotUTF8},
		{"close code 1005", clientFrame(opClose, "\x03\xed"), 1002, websocket.ReasonProtocol},
		{"text that is not UTF-8", clientFrame(text, "\xff"), 1007, websocket.ReasonNotUTF8},
		{"text that ends in a character", clientFrame(text, "ab\xe2\x82"), 1007, websocket.ReasonNotUTF8},
		{"surrogate", clientFrame(text, "\xed\xa0\x80"), 1007, websocket.ReasonNotUTF8},
		{"bad character across parts", append(clientFrame(1, "\xe2\x82"), clientFrame(continuation, "x")...), 1007, websocket.ReasonNotUTF8},
		{"65,537 bytes", clientFrame(text, strings.Repeat("x", maxMessage+1)), 1009, websocket.ReasonTooBig},
		{"too much in parts", append(clientFrame(1, strings.Repeat("x", maxMessage)), clientFrame(continuation, "x")...), 1009, websocket.ReasonTooBig},
		{"1 GiB declared", slices.Concat(binary.BigEndian.AppendUint64([]byte{binaryOp, 0xff}, 1<<30), []byte{0, 0, 0, 0}), 1009, websocket.ReasonTooBig},
		{"normal close", clientFrame(opClose, "\x03\xe8bye"), 1000, websocket.ReasonLeft},
		{"own close code", clientFrame(opClose, "\x0f\xa0"), 4000, websocket.ReasonLeft},
	} {
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
	h := newHost(t, HubOptions{})
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
	h := newHost(t, HubOptions{})
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
	h := newHost(t, HubOptions{Ping: 50 * time.Millisecond})
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
		if op != opClose || binary.BigEndian.Uint16(payload) != wire.CodePolicy {
			t.Errorf("after %d pings: %x %q; want close 1008", pings, op, payload)
		}
		break
	}
	if pings != 2 {
		t.Errorf("%d pings; want 2", pings)
	}
	h.eventually("counted", func() bool { return h.Stats().Closed[websocket.ReasonSilent] == 1 })
}

func TestSocketThatAnswersIsPingedOn(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{Ping: time.Second}) // a slow machine has two to answer
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
	h := newHost(t, HubOptions{Stall: 200 * time.Millisecond})
	h.raw("p/stuck?replay=0")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	pad := strings.Repeat("x", 200<<10)
	h.eventually("cut", func() bool {
		h.submit("p", "x", pad)
		return h.Stats().Closed[websocket.ReasonStalled] == 1
	})
	h.eventually("gone, with all that waited for it", func() bool { return h.Stats().Sockets == 0 && h.Stats().Held == 0 })
}

// One that takes nothing is no reason to stay for the whole of a long limit.
func TestSocketThatTakesNothingDoesNotKeepADrain(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{Stall: time.Hour})
	h.raw("p/stuck?replay=0")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	pad := strings.Repeat("x", 200<<10)
	h.eventually("more waits for it than may", func() bool {
		h.submit("p", "x", pad)
		return h.Stats().Skipped > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h.Drain(ctx, 0)
	if st := h.Stats(); st.Closed[websocket.ReasonStalled] != 1 || st.Sockets != 0 {
		t.Errorf("Stats() = %+v; want 1 stalled, 0 sockets", st)
	}
}

// A peer sends pings and reads none of the answers, as many as are read from it.
func TestPingFloodCostsNoMemory(t *testing.T) {
	h := newHost(t, HubOptions{})
	c, _ := h.raw("p/flood?replay=0")
	h.eventually("there", func() bool { return h.Stats().Users == 1 })
	flood := []byte(strings.Repeat(string(clientFrame(opPing, strings.Repeat("p", 125))), 25))
	before := heap()
	for range flowBurst / 2 / len(flood) {
		if _, err := c.Write(flood); err != nil {
			t.Fatalf("Write() = %v; want the flood to be read", err)
		}
	}
	// The heap of a test is never quite still; what is held for the peer stays.
	h.eventually("at most 64 KiB more than before the flood", func() bool { return heap() <= before+64<<10 })
}

// heap is the memory in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What is read and thrown away costs time, whatever it is.
func TestAFloodOfFramesEndsASocket(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	for name, frame := range map[string][]byte{
		"texts":     clientFrame(opText, "x"),
		"large":     clientFrame(final|2, strings.Repeat("x", maxMessage)),
		"pings":     clientFrame(opPing, ""),
		"pongs":     clientFrame(opPong, ""),
		"fragments": clientFrame(0, ""),
	} {
		t.Run(name, func(t *testing.T) {
			before := h.Stats().Closed[websocket.ReasonFlood]
			c, br := h.raw("p/flood?replay=0")
			go func() {
				if name == "fragments" {
					c.Write(clientFrame(1, ""))
				}
				for some := slices.Repeat(frame, max(1, 4096/len(frame))); ; {
					if _, err := c.Write(some); err != nil {
						return
					}
				}
			}()
			for {
				op, payload, err := readFrame(br)
				if err != nil {
					t.Fatalf("%v; want a close frame", err)
				}
				if op == opClose {
					if code := binary.BigEndian.Uint16(payload); code != wire.CodePolicy {
						t.Errorf("close code %d; want 1008", code)
					}
					break
				}
			}
			h.eventually("counted", func() bool { return h.Stats().Closed[websocket.ReasonFlood] == before+1 })
		})
	}
}

func TestCloseRacesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{Stall: time.Hour}, time.Millisecond)
	stop := make(chan struct{})
	var submitting sync.WaitGroup
	submitting.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				h.submit("p", "x", fmt.Sprint(n))
			}
		}
	})
	// A replay of 1 MB, so that many close while it is on its way.
	var keepers []net.Conn
	for k := range 10 {
		c, _ := h.raw(fmt.Sprintf("p/keeper%d?replay=0", k))
		keepers = append(keepers, c)
		h.submit("p", fmt.Sprint("keeper", k), strings.Repeat("x", 100<<10))
	}
	const sockets = 200
	for i := range sockets {
		c, _ := h.raw(fmt.Sprintf("p/u%d", i%7))
		tcp := c.(*net.TCPConn)
		switch i % 8 {
		case 0:
			c.Close()
		case 1:
			tcp.SetLinger(0)
			c.Close()
		case 2:
			c.Write(clientFrame(opClose, ""))
			c.Close()
		case 3:
			c.Write([]byte{opText}) // half a header
			tcp.CloseWrite()
		case 4: // a close frame and a reset
			c.Write(clientFrame(opClose, "\x03\xe8"))
			tcp.SetLinger(0)
			c.Close()
		case 5: // closed twice
			c.Write(append(clientFrame(opClose, "\x03\xe8"), clientFrame(opClose, "\x03\xe9")...))
			tcp.CloseWrite()
		case 6: // a breach, and a close frame before its answer
			c.Write(append([]byte{opText, 1, 'x'}, clientFrame(opClose, "\x03\xe8")...))
			c.Close()
		case 7: // closed by us, too
			go c.Write(clientFrame(opClose, "\x03\xe8"))
			for _, s := range h.rooms.list() {
				if !strings.HasPrefix(s.user.name, "keeper") {
					s.end(wire.CodeGoingAway, "test", websocket.ReasonDrained)
				}
			}
			tcp.CloseWrite()
		}
	}
	h.eventually("no socket is left", func() bool { return h.Stats().Sockets == int64(len(keepers)) })
	close(stop)
	submitting.Wait()
	for _, c := range keepers {
		c.Close()
	}
	h.eventually("nothing is held", func() bool { st := h.Stats(); return st.Held == 0 && st.Sockets == 0 })
	closed := uint64(0)
	for _, n := range h.Stats().Closed {
		closed += n
	}
	if closed != uint64(sockets+len(keepers)) {
		t.Errorf("%d sockets counted as closed; want each of %d once", closed, sockets+len(keepers))
	}
}

// Half of the peers close, in one way or another, at the moment of the drain.
func TestClosingWhileDraining(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	const sockets = 60
	var conns []net.Conn
	for i := range sockets {
		c, _ := h.raw(fmt.Sprintf("p/u%d", i))
		conns = append(conns, c)
	}
	h.eventually("all are there", func() bool { return h.Stats().Users == sockets })
	h.submit("p", "u0", strings.Repeat("x", 100<<10))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { h.Drain(ctx, 20*time.Millisecond) })
	for i, c := range conns {
		work.Go(func() {
			switch i % 4 {
			case 0:
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			case 1:
				c.Write(clientFrame(opClose, "\x03\xe8"))
				c.Close()
			case 2: // reads, and answers the close frame
				br := bufio.NewReader(c)
				for {
					op, payload, err := readFrame(br)
					if err != nil || op == opClose {
						c.Write(clientFrame(opClose, string(payload)))
						break
					}
				}
				io.Copy(io.Discard, br)
			case 3: // reads, and never closes
				io.Copy(io.Discard, c)
			}
		})
	}
	work.Wait()
	h.rooms.tidy(time.Now().Add(time.Hour)) // a replay is kept for who opens next
	st, closed := h.Stats(), uint64(0)
	for _, n := range st.Closed {
		closed += n
	}
	if st.Sockets != 0 || st.Held != 0 || closed != sockets || st.Closed[websocket.ReasonDeadline] != 0 {
		t.Errorf("after the drain: %d sockets, %d bytes held, %d closed, by reason %v; want 0, 0, %d, none at the deadline",
			st.Sockets, st.Held, closed, st.Closed, sockets)
	}
}

// A peer that has filled its connection with answers that it does not read, and then
// asks for a socket, is given up.
func TestHandshakeThatCannotBeAnsweredIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	ln := testkit.Listen(t)
	full := func() net.Conn {
		_, far := testkit.Connect(t, ln)
		for _, size := range []int{1 << 20, 1, 1} { // until the peer's end and ours take no more, also after a while
			for err := error(nil); err == nil; {
				far.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				_, err = far.Write(make([]byte, size))
			}
		}
		far.SetWriteDeadline(time.Time{})
		return far
	}
	ticket, err := h.Admit("p", "u", true, websocket.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	ticket.Serve(full(), nil)
	stream := full()
	defer stream.Close()
	if err := (websocket.Handshake{}).Answer(stream); err == nil {
		t.Error("Answer() = nil; want an error")
	}
	h.eventually("the session's socket is gone", func() bool { return h.Stats().Sockets == 0 })
}
