package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/screens"
)

// Fault 18, by sockets of the system against a whole server. These tests count what
// the process has, so nothing runs beside them.

// goroutines and descriptors of this process.
func (s *testServer) inventory() (goroutines, descriptors int) {
	s.t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(list)
}

// restsAt waits until the process has no more than it had, and nobody is counted.
func (s *testServer) restsAt(goroutines, descriptors int) {
	s.t.Helper()
	var g, d int
	defer func() { s.t.Logf("before %d goroutines, %d descriptors; after %d, %d", goroutines, descriptors, g, d) }()
	testkit.Eventually(s.t, "sockets, goroutines and descriptors are back where they were", func() bool {
		s.post("/metrics", "0") // the firehose's goroutine notices that nobody listens
		m := s.gather()
		g, d = s.inventory()
		return m["dispatcher_session_sockets"]+m["dispatcher_consumers{websocket}"]+m["dispatcher_consumers"]+m["dispatcher_session_queue_bytes"] == 0 &&
			m["dispatcher_session_users"] == 0 && m["dispatcher_connections"] <= 1 && g <= goroutines && d <= descriptors
	})
}

// abused starts a server and returns what the process has when nobody is connected.
func abused(t *testing.T, change ...func(*setup)) (s *testServer, goroutines, descriptors int) {
	t.Helper()
	s = start(t, append(change, withSessions(t, screens.HubOptions{}, session.ServiceOptions{Grace: -1}))...)
	for _, path := range []string{"/ws/p/first", "/event-dispatcher"} { // what is made at the first use
		s.upgrade(path).conn.Close()
	}
	testkit.Eventually(t, "the first ones have left", func() bool {
		s.post("/metrics", "0")
		m := s.gather()
		return m["dispatcher_session_sockets"]+m["dispatcher_consumers{websocket}"] == 0 && m["dispatcher_connections"] <= 1
	})
	goroutines, descriptors = s.inventory()
	return s, goroutines, descriptors
}

// reset closes so that the peer gets a RST.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func TestHalfOpenHandshakes(t *testing.T) {
	s, goroutines, descriptors := abused(t, func(o *setup) { o.ReadTimeout = 2 * time.Second })
	whole := func(path string) string { return request("GET", path, "", upgradeHeaders) }
	abuses := []struct {
		name   string
		begin  func(c *net.TCPConn, request string)
		answer string // how the server's begins; with none, we end the connection
	}{
		{"half a request line", func(c *net.TCPConn, r string) { io.WriteString(c, r[:9]) }, "HTTP/1.1 408"},
		{"half the headers", func(c *net.TCPConn, r string) { io.WriteString(c, r[:len(r)/2]) }, "HTTP/1.1 408"},
		{"all but the last byte", func(c *net.TCPConn, r string) { io.WriteString(c, r[:len(r)-1]) }, "HTTP/1.1 408"},
		{"the answer is not read", func(c *net.TCPConn, r string) { io.WriteString(c, r) }, ""},
		{"half, and a reset", func(c *net.TCPConn, r string) { io.WriteString(c, r[:len(r)/2]); reset(c) }, ""},
		{"whole, and a reset", func(c *net.TCPConn, r string) { io.WriteString(c, r); reset(c) }, ""},
		{"whole, and an end", func(c *net.TCPConn, r string) { io.WriteString(c, r); c.CloseWrite() }, "HTTP/1.1 101"},
	}
	const times = 72 // 504 connections, half of them for sessions
	conns := make([][]*net.TCPConn, len(abuses))
	for n := range times {
		for i, a := range abuses {
			path := "/event-dispatcher"
			if n%2 == 0 {
				path = fmt.Sprintf("/ws/p/u%d", n)
			}
			c := s.dial()
			a.begin(c, whole(path))
			conns[i] = append(conns[i], c)
		}
	}

	// Others find everything in order.
	screen, consumer := s.upgrade("/ws/good/bob"), s.upgrade("/event-dispatcher")
	s.post(submitPath, `{"username":"alice","cardId":"c","practiceId":"good","data":"valid"}`)
	if op, text := screen.frame(); op != 0x81 || !strings.Contains(text, `"valid"`) {
		t.Errorf("a screen beside them got %x %q; want the event", op, text)
	}
	s.post("/metrics", `"valid"`)
	if op, text := consumer.frame(); op != 0x81 || text != `"valid"` {
		t.Errorf("a consumer beside them got %x %q; want the event", op, text)
	}

	for i, a := range abuses {
		for _, c := range conns[i] {
			if a.answer != "" {
				if text, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(text), a.answer) {
					t.Fatalf("%s: answer %.40q, %v; want %s and the end", a.name, text, err, a.answer)
				}
			}
			c.Close()
		}
	}
	screen.conn.Close()
	consumer.conn.Close()
	s.restsAt(goroutines, descriptors)
}

// masked is a frame as clients send it, with a mask of zeros.
func masked(op byte, payload string) string {
	b := []byte{op, 0x80}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	default:
		b = binary.BigEndian.AppendUint16([]byte{op, 0x80 | 126}, uint16(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

func TestAbusiveConnectionsTakeLittleMemory(t *testing.T) {
	s, _, _ := abused(t)
	// A practice that has stored 4 MB, for those who do not read their replay.
	for n := range 40 {
		c := s.upgrade(fmt.Sprintf("/ws/stored/u%d?replay=0", n))
		s.post(submitPath, fmt.Sprintf(`{"username":"u%d","cardId":"c","practiceId":"stored","data":"%s"}`, n, strings.Repeat("x", 100<<10)))
		defer c.conn.Close()
	}
	const declared = "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00" // 64 KiB less a byte
	abuses := []struct {
		name, path, bytes string
		times             int
	}{
		{"half a frame's header", "", "\x81", 1},
		{"half a message", "", declared + strings.Repeat("x", 32<<10), 1},
		{"a message in parts, without its end", "", masked(1, strings.Repeat("x", 60<<10)), 1},
		{"nothing, again and again, without an end", "", masked(1, "") + strings.Repeat(masked(0, ""), 5_000), 1},
		{"pings whose answers are not read", "", strings.Repeat(masked(0x89, strings.Repeat("p", 125)), 100), 20},
		{"an unread replay", "/ws/stored/reader%d", "", 1},
	}
	const connections = 200
	memory := func() int64 {
		runtime.GC()
		runtime.GC() // what pools hold survives the first
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := memory()
	var conns []*net.TCPConn
	for n := range connections {
		a := abuses[n%len(abuses)]
		path := a.path
		switch {
		case path != "":
			path = fmt.Sprintf(path, n)
		case n%2 == 0:
			path = fmt.Sprintf("/ws/p/u%d", n)
		default:
			path = "/events"
		}
		c := s.dial()
		io.WriteString(c, request("GET", path, "", upgradeHeaders))
		for range a.times {
			if _, err := io.WriteString(c, a.bytes); err != nil {
				t.Fatalf("%s: %v; want it to be read", a.name, err)
			}
		}
		conns = append(conns, c)
	}
	testkit.Eventually(t, "all are connected", func() bool {
		m := s.gather()
		return m["dispatcher_session_sockets"]+m["dispatcher_consumers{websocket}"] == connections+40
	})
	const most = connections * 64 << 10
	var more int64
	testkit.Eventually(t, "at most 64 KiB more per connection, both ends", func() bool {
		more = memory() - before
		return more <= most
	})
	testkit.Measured(t, "%d bytes more per abusive connection, both ends", more/connections)
	for _, c := range conns {
		c.Close()
	}
	testkit.Eventually(t, "they are gone", func() bool {
		m := s.gather()
		return m["dispatcher_session_sockets"]+m["dispatcher_consumers{websocket}"] == 40
	})
}

// A length that is declared is not memory that is taken.
func TestDeclaredGibibyteIsNotAllocated(t *testing.T) {
	s, goroutines, descriptors := abused(t)
	declared := string(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<30)) + "\x00\x00\x00\x00"
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	const times = 50
	before := allocated()
	for n := range times {
		path := "/ws/p/u"
		if n%2 == 0 {
			path = "/events"
		}
		c := s.upgrade(path)
		io.WriteString(c.conn, declared)
		op, text := c.frame()
		for op == 0x81 { // who came before has left
			op, text = c.frame()
		}
		if op != 0x88 || !strings.HasPrefix(text, "\x03\xf1") {
			t.Errorf("%s: frame = %x %q; want close 1009", path, op, text)
		}
		c.conn.Close()
	}
	if each := (allocated() - before) / times; each > 1<<20 {
		t.Errorf("%d bytes allocated for each, both ends; want far from what was declared", each)
	}
	s.restsAt(goroutines, descriptors)
}
