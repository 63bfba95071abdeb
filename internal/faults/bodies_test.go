//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// bodies is how many are sent; FAULTS_BODIES says otherwise.
func bodies(t *testing.T) int {
	n := testkit.Sized(10_000_000, 20_000)
	if text := os.Getenv("FAULTS_BODIES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// Each body is valid JSON with some bytes changed. What the standard library's parser
// takes must be answered 200 and arrive as the same value, and nothing else must.
func TestFault16MutatedBodies(t *testing.T) {
	const seed, window = 16, 512 // bodies under way at once
	p := program.Start(t)
	events := open(t, p.Addrs[0])
	conn, err := net.Dial("tcp", p.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n := bodies(t)
	sent := make(chan []byte, window)
	begun := time.Now()
	go func() {
		defer close(sent)
		bw := bufio.NewWriterSize(conn, 64<<10)
		m := newMutator(seed)
		for k := range n {
			body := m.next()
			fmt.Fprintf(bw, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body))
			_, _ = bw.Write(body) // the answer that does not come tells
			if len(sent) == cap(sent) || k == n-1 || k%64 == 0 {
				_ = bw.Flush()
			}
			sent <- body
			if len(sent) == cap(sent) {
				_ = bw.Flush()
			}
		}
		_ = bw.Flush()
	}()
	br := bufio.NewReaderSize(conn, 64<<10)
	taken := 0
	for body := range sent {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("the answer to %q: %v", body, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		want := 400
		if valid(body) {
			want = 200
		}
		if resp.StatusCode != want {
			t.Fatalf("POST %q = %d; want %d (seed %d)", body, resp.StatusCode, want, seed)
		}
		if resp.Close {
			t.Fatalf("POST %q = %d, and the connection ends; want it to go on", body, resp.StatusCode)
		}
		if want == 200 {
			taken++
			if event := events.next(); !equal(event, body) {
				t.Fatalf("the event of %q is %q (seed %d)", body, event, seed)
			}
		}
	}
	took := time.Since(begun)
	if panics := p.Metric("dispatcher_panics_total"); panics != 0 || p.HasEnded() {
		t.Errorf("%v panics", panics)
	}
	testkit.Measured(t, "%d bodies in %.1f s (seed %d): %d answered 200 and JSON-equal, %d refused as the standard library refuses them, 0 broken frames, 0 panics",
		n, took.Seconds(), seed, taken, n-taken)
}

// valid is what the standard library says, and RFC 8259: UTF-8, without a byte order mark.
func valid(body []byte) bool { return json.Valid(body) && utf8.Valid(body) }

// equal reports whether both are the same value.
func equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	va, oka := decode(a)
	vb, okb := decode(b)
	return oka && okb && reflect.DeepEqual(va, vb)
}

func decode(text []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// A reader has the events of a stream by the rules of the standard (WHATWG HTML, 9.2.6),
// and knows nothing of how ours are written.
type reader struct {
	t  *testing.T
	br *bufio.Reader
}

func open(t *testing.T, addr string) *reader {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &reader{t, bufio.NewReaderSize(resp.Body, 1<<20)}
}

// line ends with LF, CR LF or CR.
func (r *reader) line() []byte {
	var line []byte
	for {
		b, err := r.br.ReadByte()
		switch {
		case err != nil:
			r.t.Fatalf("the stream ends: %v", err)
		case b == '\r':
			if next, err := r.br.Peek(1); err == nil && next[0] == '\n' {
				_, _ = r.br.Discard(1)
			}
			return line
		case b == '\n':
			return line
		}
		line = append(line, b)
	}
}

func (r *reader) next() []byte {
	var data []byte
	some := false
	for {
		line := r.line()
		if len(line) == 0 {
			if some {
				return data
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(name) == 0: // a comment
		case string(name) == "data":
			if some {
				data = append(data, '\n')
			}
			data, some = append(data, value...), true
		default:
			r.t.Fatalf("a line of the stream is %q; want data or a comment", line)
		}
	}
}

// A mutator makes bodies that are nearly JSON, or just so.
type mutator struct {
	rand  *rand.Rand
	seeds [][]byte
}

func newMutator(seed uint64) *mutator {
	m := &mutator{rand: rand.New(rand.NewPCG(seed, seed))}
	for _, text := range []string{
		`{"event_name":"START","session_id":"0f8fad5b-d9cb-469f-a165-70867728950e","timestamp":1764752400000,"version":1,"data":{"position":12.5,"muted":false,"error":null}}`,
		`{"event_name":"ERROR","data":{"log":"{\"a\":[1,2,{\"b\":\"c\\nd\"}]}","stack":"at x\\n\\tat y\\u0000\\ud83d\\ude00"}}`,
		`[]`, `{}`, `0`, `-0.0e-0`, `1E400`, `123456789012345678901234567890`, `"\"\\\/\b\f\n\r\t\u00e9"`, `"ü€😀` + "\u2028\u2029\u0085" + `"`, `true`, `false`, `null`, `""`,
		`[[[[[[[[[[1]]]]]]]]]]`, `{"a":1,"a":2,"":{"":[{}]}}`, " \t\r\n{\r\n \"pretty\" :\r\n [ 1 ,\n2 ]\r\n}\n", `{"user_ip":"1.2.3.4","x":"data: y\n\nid: 3"}`,
	} {
		m.seeds = append(m.seeds, []byte(text))
	}
	return m
}

// bits are what changes put in: what JSON, lines and streams are made of.
var bits = []string{
	"{", "}", "[", "]", ",", ":", `"`, `\`, "\n", "\r", "\r\n", "\n\n", " ", "\t", "0", "1", "-", "+", ".", "e", "E", "null", "true", "fals",
	`\u`, `\ud800`, `\u0000`, "data: ", ": ", "\x00", "\x1f", "\x7f", "\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\ufeff", "\u2028", "é", "😀", "//", "/*", "'", "NaN",
}

func (m *mutator) next() []byte {
	body := append([]byte(nil), m.seeds[m.rand.IntN(len(m.seeds))]...)
	for range m.rand.IntN(4) {
		at := m.rand.IntN(len(body) + 1)
		switch m.rand.IntN(7) {
		case 0: // one byte is another
			if at < len(body) {
				body[at] = byte(m.rand.Uint32())
			}
		case 1: // a part is missing
			body = append(body[:at:at], body[min(len(body), at+1+m.rand.IntN(8)):]...)
		case 2: // the end is missing
			body = body[:at]
		case 3: // a part comes twice
			to := min(len(body), at+m.rand.IntN(16))
			body = append(body[:to:to], body[at:]...)
		case 4: // a part of another
			other := m.seeds[m.rand.IntN(len(m.seeds))]
			body = append(append(body[:at:at], other...), body[at:]...)
		default:
			body = append(append(body[:at:at], bits[m.rand.IntN(len(bits))]...), body[at:]...)
		}
	}
	return body
}
