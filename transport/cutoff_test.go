package transport

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A chunked body without its last chunk is incomplete (RFC 9112, section 8): nothing of
// it is published, wherever the connection ended.
func TestChunkedBodyThatIsCutOffIsIncomplete(t *testing.T) {
	t.Parallel()
	s, encrypted := start(t), overTLS(t, patience)
	c := s.listen("/events")
	long := `"` + strings.Repeat("x", 20_000) + `"`
	const head = "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	for _, tt := range []struct{ name, head, body string }{
		{"behind a chunk that could be all", "", "3\r\n123\r\n"},
		{"within a chunk", "", "5\r\n123"},
		{"behind a chunk, before its end of line", "", "3\r\n123"},
		{"within a size", "", "3\r\n123\r\n1"},
		{"behind the last size", "", "3\r\n123\r\n0\r\n"},
		{"within a trailer", "", "3\r\n123\r\n0\r\nA: b"},
		{"a long one", "", "4e22\r\n" + long + "\r\n"},
		{"lines", "Content-Type: application/x-ndjson\r\n", "4\r\n1\n2\n\r\n"},
		{"in crumbs", "", "3\r\n123\r\n"},
	} {
		for wire, s := range map[string]*testServer{"plain": s, "TLS": encrypted} {
			a := sendAndEnd(t, s, wire == "TLS", tt.name == "in crumbs", head+tt.head+"\r\n"+tt.body)
			if a.status != 400 || a.reason() != "incomplete" {
				t.Errorf("%s, %s: %d %q; want 400 incomplete", wire, tt.name, a.status, a.body)
			}
		}
	}
	for _, whole := range []string{"3\r\n123\r\n0\r\n\r\n", "3\r\n123\r\n0\r\nA: b\r\n\r\n"} {
		if a := s.send(head + "\r\n" + whole); a.status != 200 {
			t.Errorf("%q = %d %q; want 200", whole, a.status, a.body)
		}
		if got := c.event(); got != "123" {
			t.Errorf("the next event is %.50q; want 123: what was cut off is none", got)
		}
		for wire, s := range map[string]*testServer{"plain": s, "TLS": encrypted} {
			for _, crumbs := range []bool{false, true} {
				if a := sendAndEnd(t, s, wire == "TLS", crumbs, head+"\r\n"+whole); a.status != 200 {
					t.Errorf("%s, crumbs %v: %q and the end = %d %q; want 200", wire, crumbs, whole, a.status, a.body)
				}
			}
		}
		c.event()
		c.event()
	}
}

// sendAndEnd sends a request on a connection of its own, byte by byte if it is to come in crumbs, and
// ends its side. Over TLS all of it comes at once.
func sendAndEnd(t *testing.T, s *testServer, overTLS, crumbs bool, req string) answer {
	t.Helper()
	tcp := s.dial()
	var conn closeWriter = tcp
	if overTLS {
		h := &held{TCPConn: tcp}
		c := tls.Client(h, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		h.on, conn = true, c
	}
	part := len(req)
	if crumbs {
		part = 1
	}
	for ; len(req) > 0; req = req[part:] {
		io.WriteString(conn, req[:part])
	}
	conn.CloseWrite()
	return readAnswer(t, bufio.NewReader(conn), "POST")
}

// A closeWriter is a connection of which one side can end.
type closeWriter interface {
	net.Conn
	CloseWrite() error
}

// A held connection sends all at once when an answer is read.
type held struct {
	*net.TCPConn
	on      bool
	waiting []byte
}

func (h *held) Write(p []byte) (int, error) {
	if !h.on {
		return h.TCPConn.Write(p)
	}
	h.waiting = append(h.waiting, p...)
	return len(p), nil
}

func (h *held) Read(p []byte) (int, error) {
	if len(h.waiting) > 0 {
		h.SetWriteDeadline(time.Time{}) // to end its side TLS sets one
		if _, err := h.TCPConn.Write(h.waiting); err != nil {
			return 0, err
		}
		h.waiting = nil
	}
	return h.TCPConn.Read(p)
}

// What came at once buys no time for silence afterwards, so that its buffer is free
// again; see also TestSteadyUploadMayBeSlow.
func TestSilenceWithinABodyEndsIt(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ReadTimeout = 200 * time.Millisecond; o.MaxBatch = 4 << 20 })
	conn := s.dial()
	// At the slowest rate that is allowed, so many bytes may take minutes.
	io.WriteString(conn, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nContent-Length: 4194304\r\n\r\n"+strings.Repeat(" ", 1<<20))
	if a := readAnswer(t, bufio.NewReader(conn), "POST"); a.status != 408 || a.reason() != "timeout" {
		t.Errorf("a silent sender = %d %q; want 408 timeout", a.status, a.body)
	}
	testkit.Eventually(t, "the buffer is free", func() bool { return s.gather()["dispatcher_bodies_bytes"] == 0 })
}
