package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"
)

func TestNoticesOfEachFormat(t *testing.T) {
	t.Parallel()
	unchunked := Format{Unchunked: true}
	lines := Format{Kind: NDJSON, Unchunked: true}
	ws := Format{Kind: WebSocket}
	for _, tt := range []struct{ name, got, want string }{
		{"event", string(Format{}.AppendEvent([]byte("x"), []byte(`{"a":1}`))), "x00000f\r\ndata: {\"a\":1}\n\n\r\n"},
		{"opening", string(Format{}.AppendOpening(nil, "")), "00000c\r\n: connected\n\r\n"},
		{"opening with text", string(unchunked.AppendOpening(nil, "unknown: a_b\nc\x7fé")), ": connected; unknown: a_b?c??\n"},
		{"keep-alive", string(Format{}.KeepAlive()), "000002\r\n:\n\r\n"},
		{"keep-alive without chunks", string(unchunked.KeepAlive()), ":\n"},
		{"skipped", string(Format{}.AppendSkipped([]byte("x"), 1<<64-1)), "x00001f\r\n: skipped 18446744073709551615\n\r\n"},
		{"skipped, as an event, too", string(Format{Notices: true, Unchunked: true}.AppendSkipped(nil, 42)), ": skipped 42\nevent: skipped\ndata: 42\n\n"},
		{"farewell", string(unchunked.AppendFarewell(nil, 1500*time.Millisecond)), "retry: 1500\n"},
		{"ended", string(unchunked.AppendEnded(nil, "expired")), ": ended expired\n"},
		{"end", string(Format{}.AppendEnd(nil)), "0\r\n\r\n"},
		{"end without chunks", string(unchunked.AppendEnd(nil)), ""},
		{"event in a compressed body", string(Format{Encoding: Gzip}.AppendEvent(nil, []byte("1"))), "data: 1\n\n"},
		{"end of a compressed body", string(Format{Encoding: Gzip}.AppendEnd(nil)), "0\r\n\r\n"},
		{"event with its id", string(Format{IDs: true}.AppendEventID([]byte("x"), []byte("a.7"), []byte("1"))), "x000011\r\nid: a.7\ndata: 1\n\n\r\n"},
		{"id", string(unchunked.AppendID(nil, []byte("a.7"))), "id: a.7\n\n"},

		{"line", string(lines.AppendEvent(nil, []byte("1"))), "1\n"},
		{"line in a chunk", string(Format{Kind: NDJSON}.AppendEvent(nil, []byte("1"))), "000002\r\n1\n\r\n"},
		{"first line", string(lines.AppendOpening(nil, "")), "\n"},
		{"first line with text", string(lines.AppendOpening(nil, `"a"`)), `{"$dispatcher":{"connected":"\"a\""}}` + "\n"},
		{"keep-alive line", string(lines.KeepAlive()), "\n"},
		{"keep-alive line in a chunk", string(Format{Kind: NDJSON}.KeepAlive()), "000001\r\n\n\r\n"},
		{"skipped line", string(lines.AppendSkipped(nil, 42)), `{"$dispatcher":{"skipped":42}}` + "\n"},
		{"farewell line", string(lines.AppendFarewell(nil, time.Second)), `{"$dispatcher":{"retry":1000}}` + "\n"},
		{"ended line", string(lines.AppendEnded(nil, "expired")), `{"$dispatcher":{"ended":"expired"}}` + "\n"},
		{"line with its id", string(Format{Kind: NDJSON, IDs: true}.AppendEventID([]byte("x"), []byte("a.7"), []byte("1"))), "x00001f\r\n1\n" + `{"$dispatcher":{"id":"a.7"}}` + "\n\r\n"},
		{"line that begins like a notice", string(lines.AppendEvent(nil, []byte(`{"$dispatcher":1}`))), ` {"$dispatcher":1}` + "\n"},
		{"the same with its id", string(lines.AppendEventID(nil, []byte("a.7"), []byte(`{"$dispatcher":1}`))), ` {"$dispatcher":1}` + "\n" + `{"$dispatcher":{"id":"a.7"}}` + "\n"},
		{"id line", string(lines.AppendID(nil, []byte("a.7"))), `{"$dispatcher":{"id":"a.7"}}` + "\n"},

		{"text frame", string(ws.AppendEvent(nil, []byte(`{"a":1}`))), "\x81\x07{\"a\":1}"},
		{"text frame with its id", string(Format{Kind: WebSocket, IDs: true}.AppendEventID(nil, []byte("a.7"), []byte("1"))), "\x81\x011\x81\x1c" + `{"$dispatcher":{"id":"a.7"}}`},
		{"text frame like a notice, where there are none", string(ws.AppendEvent(nil, []byte(`{"$dispatcher":1}`))), "\x81\x11" + `{"$dispatcher":1}`},
		{"an opening, as an event, too", string(Format{Notices: true, Unchunked: true}.AppendOpening(nil, "resumed")), ": connected; resumed\nevent: connected\ndata: resumed\n\n"},
		{"an opening without words", string(Format{Notices: true, Unchunked: true}.AppendOpening(nil, "")), ": connected\n"},
		{"the same among notices", string(Format{Kind: WebSocket, Notices: true}.AppendEvent(nil, []byte(`{"$dispatcher":1}`))), "\x81\x12" + ` {"$dispatcher":1}`},
		{"the same among ids", string(Format{Kind: WebSocket, IDs: true}.AppendEvent(nil, []byte(`{"$dispatcher":1}`))), "\x81\x12" + ` {"$dispatcher":1}`},
		{"long text frame", string(ws.AppendEvent(nil, bytes.Repeat([]byte{'1'}, 300)))[:4], "\x81\x7e\x01\x2c"},
		{"very long text frame", string(ws.AppendEvent(nil, bytes.Repeat([]byte{'1'}, 1<<16)))[:10], "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		{"no opening frame", string(ws.AppendOpening(nil, "")), ""},
		{"ping", string(ws.KeepAlive()), "\x89\x00"},
		{"skipped ping", string(ws.AppendSkipped(nil, 42)), "\x89\x0askipped 42"},
		{"skipped ping and text", string(Format{Kind: WebSocket, Notices: true}.AppendSkipped(nil, 42)), "\x89\x0askipped 42\x81\x1e" + `{"$dispatcher":{"skipped":42}}`},
		{"pong", string(AppendPong(nil, "x")), "\x8a\x01x"},
		{"close of a stream that may not go on", string(ws.AppendEnded(nil, "expired")), "\x88\x09\x03\xf0expired"},
		{"close", string(ws.AppendFarewell(nil, time.Second)), "\x88\x0f\x03\xe9shutting down"},
		{"nothing behind the close", string(ws.AppendEnd(nil)), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q; want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestPrefixAndSuffixMakeTheFrameOfTheDefaultFormat(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 9, 4095, 4096, 1 << 20, MaxEvent} {
		event := bytes.Repeat([]byte{'1'}, n)
		frame := append(append(AppendPrefix(nil, n), event...), Suffix...)
		if len(frame) != PrefixLen+n+SuffixLen {
			t.Errorf("frame of %d bytes has %d; want %d", n, len(frame), PrefixLen+n+SuffixLen)
		}
		if want := (Format{}).AppendEvent(nil, event); !bytes.Equal(frame, want) {
			t.Errorf("frame of %d bytes = %.40q; want %.40q", n, frame, want)
		}
		if got := JSON(frame); !bytes.Equal(got, event) {
			t.Errorf("JSON() of a frame of %d bytes = %.40q", n, got)
		}
	}
}

// What a stream is made of, read by the standard library's parser of chunks.
func TestChunksAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{{}, {Kind: NDJSON}, {Notices: true}} {
		plain := f
		plain.Unchunked = true
		write := func(f Format) (b []byte) {
			b = f.AppendOpening(b, "")
			b = f.AppendEvent(b, []byte(strings.Repeat("7", 1000)))
			b = append(b, f.KeepAlive()...)
			b = f.AppendSkipped(b, 3)
			b = f.AppendID(b, []byte("e.3"))
			return f.AppendEnd(f.AppendFarewell(b, time.Second))
		}
		got, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(write(f))))
		if err != nil || !bytes.Equal(got, write(plain)) {
			t.Errorf("body of %+v = %q, %v; want %q", f, got, err, write(plain))
		}
		if f.InRing() != (f.Kind == SSE) || plain.InRing() {
			t.Errorf("InRing() of %+v and %+v = %v, %v", f, plain, f.InRing(), plain.InRing())
		}
	}
	if got := AppendChunk(nil, nil); len(got) > 0 {
		t.Errorf("AppendChunk(empty) = %q; want nothing: it would be the end", got)
	}
}

func TestLinesOfNDJSONAreJSON(t *testing.T) {
	t.Parallel()
	f := Format{Kind: NDJSON, Unchunked: true}
	b := f.AppendOpening(nil, "unknown: \"q\" \\ \x00 é")
	b = append(f.AppendSkipped(b, 1), f.KeepAlive()...)
	b = f.AppendFarewell(f.AppendID(b, []byte("x.1.2")), time.Second)
	lines := 0
	for d := json.NewDecoder(bytes.NewReader(b)); d.More(); lines++ {
		var line map[string]any
		if err := d.Decode(&line); err != nil || len(line) != 1 || line["$dispatcher"] == nil {
			t.Fatalf("line %d of %q: %v, %v", lines, b, line, err)
		}
	}
	if lines != 4 {
		t.Errorf("%d lines; want 4", lines)
	}
}

func TestPingOfALongOpeningIsCut(t *testing.T) {
	t.Parallel()
	b := Format{Kind: WebSocket}.AppendOpening(nil, strings.Repeat("x", 500))
	if len(b) != 2+MaxControl || b[1] != MaxControl {
		t.Errorf("ping has %d bytes; want %d", len(b), 2+MaxControl)
	}
}
