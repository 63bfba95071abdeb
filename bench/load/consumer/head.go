package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// parseHead reads the head of the answer to a stream request. It returns 0
// while the head is incomplete.
func parseHead(b []byte, socket bool) (size int, chunked bool, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > 64<<10 {
			return 0, false, errors.New("no end of the head within 64 KiB")
		}
		return 0, false, nil
	}
	status, headers, _ := bytes.Cut(b[:end], []byte("\r\n"))
	version, code, _ := bytes.Cut(status, []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return 0, false, errors.New("the answer is not HTTP/1.x")
	}
	if socket && bytes.HasPrefix(code, []byte("101")) {
		return end + len("\r\n\r\n"), false, nil
	}
	if socket || !bytes.HasPrefix(code, []byte("200")) {
		return 0, false, fmt.Errorf("the stream was answered %q", status[:min(len(status), 100)])
	}
	stream := false
	for line := range bytes.SplitSeq(headers, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.ToLower(bytes.TrimSpace(value))
		switch string(bytes.ToLower(name)) {
		case "content-type":
			stream = bytes.HasPrefix(value, []byte("text/event-stream"))
		case "transfer-encoding":
			chunked = string(value) == "chunked"
		}
	}
	if !stream {
		return 0, false, errors.New("the answer is not an event stream (Content-Type)")
	}
	return end + len("\r\n\r\n"), chunked, nil
}

// dechunker takes the chunks of RFC 9112, section 7.1, away in place. Streams
// without a length are either that or end with the connection.
type dechunker struct {
	left int    // bytes of the current chunk still to come
	head []byte // beginning of a chunk's size line, with the line end before it
	some bool   // a chunk was seen
}

// cutChunk finds the first chunk of b: how long its size line is and what it holds.
// It reports false while the chunk is incomplete.
func cutChunk(b []byte) (head int, body []byte, ok bool, err error) {
	size := 0
	for ; head < len(b) && b[head] != '\r'; head++ {
		digit := hexDigits[b[head]]
		if digit == 0 || head == 8 {
			return 0, nil, false, errChunk
		}
		size = size<<4 | int(digit-1)
	}
	head += len("\r\n")
	end := head + size
	if len(b) < end+len("\r\n") {
		return 0, nil, false, nil
	}
	if b[head-1] != '\n' || b[end] != '\r' || b[end+1] != '\n' {
		return 0, nil, false, errChunk
	}
	return head, b[head:end], true, nil
}

// hexDigits are the values of hexadecimal digits, plus one.
var hexDigits = func() (value [256]byte) {
	for i, c := range []byte("0123456789abcdef") {
		value[c] = byte(i) + 1
	}
	for i, c := range []byte("ABCDEF") {
		value[c] = byte(i) + 11
	}
	return value
}()

var errChunk = errors.New("malformed chunk")

// strip moves the content of b to its front and returns its length.
func (d *dechunker) strip(b []byte) (n int, err error) {
	in := b
	for len(in) > 0 {
		if d.left > 0 {
			k := min(d.left, len(in))
			copy(b[n:], in[:k])
			n += k
			d.left -= k
			in = in[k:]
			continue
		}
		d.head = append(d.head, in[0])
		in = in[1:]
		line := d.head
		if d.some {
			line, _ = bytes.CutPrefix(line, []byte("\r\n"))
		}
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) == 2 {
			if len(d.head) > 32 {
				return n, errChunk
			}
			continue
		}
		size, perr := strconv.ParseUint(string(line[:len(line)-2]), 16, 31)
		if perr != nil {
			return n, errChunk
		}
		d.left, d.head, d.some = int(size), d.head[:0], true
	}
	return n, nil
}
