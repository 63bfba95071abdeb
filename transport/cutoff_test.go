package transport

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A chunked body without its last chunk is incomplete (RFC 9112, section 8): nothing of
// it is published, wherever the connection ended.
func TestChunkedBodyThatIsCutOffIsIncomplete(t *testing.T) {
	t.Parallel()
	s := start(t)
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
	} {
		conn := s.dial()
		io.WriteString(conn, head+tt.head+"\r\n"+tt.body)
		conn.CloseWrite()
		if a := readAnswer(t, bufio.NewReader(conn), "POST"); a.status != 400 || a.reason() != "incomplete" {
			t.Errorf("%s: %d %q; want 400 incomplete", tt.name, a.status, a.body)
		}
	}
	for _, whole := range []string{"3\r\n123\r\n0\r\n\r\n", "3\r\n123\r\n0\r\nA: b\r\n\r\n"} {
		if a := s.send(head + "\r\n" + whole); a.status != 200 {
			t.Errorf("%q = %d %q; want 200", whole, a.status, a.body)
		}
		if got := c.event(); got != "123" {
			t.Errorf("the next event is %.50q; want 123: what was cut off is none", got)
		}
	}
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
