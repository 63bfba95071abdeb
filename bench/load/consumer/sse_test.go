package consumer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// transcript writes down what a parser tells.
type transcript struct{ lines []string }

func (tr *transcript) event(data []byte, frame int) {
	tr.lines = append(tr.lines, fmt.Sprintf("%s/%d", data, frame))
}
func (tr *transcript) skipped(n uint64) { tr.lines = append(tr.lines, fmt.Sprintf("skipped %d", n)) }

func TestParserTakesStreamsApart(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		err            error
	}{
		{"events", "data: {}\n\ndata: [1]\n\n", "{}/10 [1]/11", nil},
		{"keep-alives", ":\n\ndata: 1\n\n:\n\n:\n\ndata: 2\n\n", "1/9 2/9", nil},
		{"keep-alive of one line", ":\ndata: 1\n\n", "1/9", nil},
		{"notice", "data: 1\n\n: skipped 42\n\ndata: 2\n\n", "1/9 skipped 42 2/9", nil},
		{"comment that is no notice", ": skipped a few\n\ndata: 2\n\n", "2/9", nil},
		{"retry", "retry: 12000\n\n", "", nil},
		{"unknown field", "data: 1\n\nid: 4\n\n", "1/9", errField},
		{"two data lines", "data: 1\ndata: 2\n\n", "", errField},
		{"comment inside an event", "data: 1\n:\n\n", "", errField},
		{"no space", "data:1\n\n", "", errField},
		{"blank line too many", "data: 1\n\n\n", "1/9", errBlank},
		{"endless", "data: " + strings.Repeat("x", maxFrame), "", errNoEnd},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tr transcript
			_, err := new(parser).parse([]byte(tt.in), &tr)
			if got := strings.Join(tr.lines, " "); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("parse(%.60q): %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestParserDoesNotCareWhereReadsEnd(t *testing.T) {
	const in = ":\n\ndata: {\"a\":1}\n\n: skipped 3\n\ndata: {}\n\n:\n\ndata: [2]\n\n"
	const want = `{"a":1}/15 skipped 3 {}/10 [2]/11`
	for first := range len(in) {
		for second := first; second < len(in); second++ {
			var tr transcript
			var p parser
			var rest []byte
			for _, part := range []string{in[:first], in[first:second], in[second:]} {
				rest = append(rest, part...)
				used, err := p.parse(rest, &tr)
				if err != nil {
					t.Fatalf("cut at %d and %d: %v", first, second, err)
				}
				rest = rest[used:]
			}
			if got := strings.Join(tr.lines, " "); got != want || len(rest) > 0 {
				t.Fatalf("cut at %d and %d: %q, rest %q; want %q", first, second, got, rest, want)
			}
		}
	}
}

func TestDechunkerDoesNotCareWhereReadsEnd(t *testing.T) {
	const in = "5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n"
	const want = "hello 0123456789"
	for cut := range len(in) {
		var d dechunker
		got := ""
		for _, part := range []string{in[:cut], in[cut:]} {
			b := []byte(part)
			n, err := d.strip(b)
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			got += string(b[:n])
		}
		if got != want {
			t.Errorf("cut at %d: %q, want %q", cut, got, want)
		}
	}
	if _, err := new(dechunker).strip([]byte("xyz\r\n")); !errors.Is(err, errChunk) {
		t.Errorf("strip of a malformed size: %v, want %v", err, errChunk)
	}
}

func TestCutChunkIsStrict(t *testing.T) {
	for _, tt := range []struct {
		in, body string
		ok, err  bool
	}{
		{"5\r\nhello\r\n1", "hello", true, false},
		{"00000a\r\n0123456789\r\n", "0123456789", true, false},
		{"A\r\n0123456789\r\n", "0123456789", true, false},
		{"0\r\n\r\n", "", true, false},
		{"5\r\nhello\r", "", false, false},
		{"5\r", "", false, false},
		{"", "", false, false},
		{"5\r\nhello!\n", "", false, true},
		{"5 \r\nhello\r\n", "", false, true},
		{"000000005\r\nhello\r\n", "", false, true},
		{"data: 1\n\n", "", false, true},
	} {
		_, body, ok, err := cutChunk([]byte(tt.in))
		if string(body) != tt.body || ok != tt.ok || (err != nil) != tt.err {
			t.Errorf("cutChunk(%q) = %q, %v, %v; want %q, %v, error %v", tt.in, body, ok, err, tt.body, tt.ok, tt.err)
		}
	}
}

func TestParseHead(t *testing.T) {
	const stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
	const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n"
	for _, tt := range []struct {
		name, in string
		size     int
		chunked  bool
		fails    bool
	}{
		{"stream", stream + "data: 1\n\n", len(stream), false, false},
		{"chunked", chunks, len(chunks), true, false},
		{"incomplete", stream[:40], 0, false, false},
		{"page", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", 0, false, true},
		{"missing", "HTTP/1.1 404 Not Found\r\n\r\n", 0, false, true},
		{"not HTTP", "hello\r\n\r\n", 0, false, true},
		{"endless", strings.Repeat("x", 70<<10), 0, false, true},
	} {
		size, chunked, err := parseHead([]byte(tt.in), false)
		if size != tt.size || chunked != tt.chunked || (err != nil) != tt.fails {
			t.Errorf("%s: parseHead = %d, %v, %v; want %d, %v, error %v", tt.name, size, chunked, err, tt.size, tt.chunked, tt.fails)
		}
	}
}

// Ids that another server writes unasked are passed over, where that is asked for.
func TestForeignIDsArePassedOver(t *testing.T) {
	const stream = "id: 4\ndata: 1\n\nid: \ndata: 2\n\n"
	var tr transcript
	p := parser{foreign: true}
	if used, err := p.parse([]byte(stream), &tr); err != nil || used != len(stream) || strings.Join(tr.lines, " ") != "1/9 2/9" {
		t.Errorf("parse(%q) = %d, %v, %q; want both events", stream, used, err, tr.lines)
	}
}
