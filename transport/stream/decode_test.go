package stream

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"

	"event-dispatcher/transport/wire"
)

// take is a decoder of streams that takes nothing but what a pool may write.
func (c *client) take(p []byte) {
	c.seen.bytes += uint64(len(p))
	c.raw = append(c.raw, p...)
	for len(c.raw) > 0 && c.seen.wrong == "" {
		n := 0
		switch {
		case c.seen.complete:
			c.complain("bytes after the end: %.80q", c.raw)
		case c.format.Kind == wire.WebSocket:
			n = c.takeFrame(c.raw)
		case c.format.Unchunked:
			n = c.takeUnit(c.raw)
		default:
			n = c.takeChunk(c.raw)
		}
		if n == 0 {
			return
		}
		c.raw = c.raw[n:]
	}
}

// readGzip reads a compressed stream, with the decoders of the standard library.
func (c *client) readGzip() {
	defer c.conn.Close()
	var body io.Reader = (*rawReader)(c)
	if !c.format.Unchunked {
		body = httputil.NewChunkedReader(bufio.NewReader(body))
	}
	z, err := gzip.NewReader(body)
	buf := make([]byte, 32<<10)
	for err == nil {
		var n int
		n, err = z.Read(buf)
		c.mu.Lock()
		for c.raw = append(c.raw, buf[:n]...); len(c.raw) > 0 && c.seen.wrong == ""; {
			n := c.takeUnit(c.raw)
			if n == 0 {
				break
			}
			c.raw = c.raw[n:]
		}
		c.mu.Unlock()
	}
	if err == io.EOF { // the checksum is right, and so is the last chunk
		c.mu.Lock()
		c.seen.complete = true
		c.mu.Unlock()
		_, err = c.receive(make([]byte, 64)) // the line end behind the last chunk
		if err == nil {
			_, err = c.receive(make([]byte, 64))
		}
	}
	c.mu.Lock()
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, new(flate.CorruptInputError)) {
		c.complain("%v", err)
	}
	c.seen.end = err
	c.mu.Unlock()
}

// A rawReader reads what comes over a client's connection.
type rawReader client

func (r *rawReader) Read(p []byte) (int, error) {
	c := (*client)(r)
	n, err := c.receive(p[:min(len(p), c.chunk)])
	c.mu.Lock()
	c.seen.bytes += uint64(n)
	c.mu.Unlock()
	return n, err
}

// takeChunk takes a chunk, which must hold one event or one notice.
func (c *client) takeChunk(p []byte) int {
	head, rest, ok := bytes.Cut(p, []byte("\r\n"))
	if !ok {
		if len(p) > 8 {
			c.complain("no size of a chunk, but %.80q", p)
		}
		return 0
	}
	size, err := strconv.ParseUint(string(head), 16, 24)
	if err != nil {
		c.complain("size of a chunk %.80q", p)
	}
	if len(rest) < int(size)+2 {
		return 0
	}
	body := rest[:size]
	if string(rest[size:size+2]) != "\r\n" {
		c.complain("chunk %.80q ends with %q", body, rest[size:size+2])
	}
	if size == 0 {
		c.seen.complete = true
		return len(head) + 4
	}
	for len(body) > 0 && c.seen.wrong == "" {
		n := c.takeUnit(body)
		if n == 0 {
			c.complain("chunk that is torn: %.80q", rest[:size])
		}
		body = body[n:]
	}
	return len(head) + 4 + int(size)
}

// takeUnit takes an event, or a notice, off a body, and returns how long it is; 0 if
// its end is missing.
func (c *client) takeUnit(p []byte) int {
	line, _, ok := bytes.Cut(p, []byte("\n"))
	if !ok {
		return 0
	}
	if c.format.Kind == wire.NDJSON {
		c.takeJSON(line)
		return len(line) + 1
	}
	switch {
	case len(line) == 0:
		c.complain("an empty line that ends nothing: clients show it as a message")
	case line[0] == ':':
		c.takeComment(string(line))
		return len(line) + 1
	case bytes.HasPrefix(line, []byte("retry: ")):
		c.seen.retries++
		return len(line) + 1
	}
	block, _, ok := bytes.Cut(p, []byte("\n\n"))
	if !ok {
		return 0
	}
	text := string(block)
	place, behind, both := strings.Cut(text, "\ndata: ")
	if data, ok := strings.CutPrefix(text, "data: "); ok && !c.format.IDs && !strings.Contains(data, "\n") {
		c.takeEvent([]byte(data))
	} else if id, ok := strings.CutPrefix(place, "id: "); ok && both && c.format.IDs && !strings.Contains(behind, "\n") {
		c.takeEvent([]byte(behind))
		c.takeID(id)
	} else if n, ok := strings.CutPrefix(text, "event: skipped\ndata: "); ok && c.format.Notices {
		c.takeNotice(n)
	} else if id, ok := strings.CutPrefix(text, "id: "); ok && c.format.IDs {
		c.takeID(id)
	} else {
		c.complain("unexpected block %.80q", block)
	}
	return len(block) + 2
}

func (c *client) takeComment(line string) {
	if number, ok := strings.CutPrefix(line, ": skipped "); ok {
		c.takeSkipped(number)
	} else if strings.Trim(line, " ") == ":" {
		c.seen.keepAlives = append(c.seen.keepAlives, c.seen.received)
	} else if strings.HasPrefix(line, ": ended ") {
		c.seen.retries++
	} else if line != ": connected" || c.seen.received+c.seen.skipped > 0 {
		c.complain("unexpected line %.80q", line)
	}
}

func (c *client) takeSkipped(number string) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 {
		c.complain("told of %q skipped: want a number above 0", number)
	}
	c.seen.skipped += n
	c.seen.notices++
}

// takeNotice takes what a consumer that asked for notices gets besides.
func (c *client) takeNotice(number string) {
	n, _ := strconv.ParseUint(number, 10, 64)
	c.seen.noticed += n
}

func (c *client) takeID(id string) {
	c.seen.ids = append(c.seen.ids, id)
	c.atID = c.seen.received + c.seen.skipped
}

// takeJSON takes a line of NDJSON, or a text frame.
func (c *client) takeJSON(line []byte) {
	var notice struct {
		Dispatcher struct {
			Skipped json.Number
			Retry   json.Number
			ID      string
		} `json:"$dispatcher"`
	}
	switch {
	case len(line) == 0:
		if c.seen.received+c.seen.skipped > 0 || c.seen.opened {
			c.seen.keepAlives = append(c.seen.keepAlives, c.seen.received)
		}
		c.seen.opened = true
	case !bytes.HasPrefix(line, []byte(`{"$dispatcher":`)):
		c.takeEvent(line)
	case json.Unmarshal(line, &notice) != nil:
		c.complain("notice %.80q", line)
	case notice.Dispatcher.Skipped != "" && c.format.Kind == wire.WebSocket:
		c.takeNotice(string(notice.Dispatcher.Skipped))
	case notice.Dispatcher.Skipped != "":
		c.takeSkipped(string(notice.Dispatcher.Skipped))
	case notice.Dispatcher.Retry != "":
		c.seen.retries++
	case notice.Dispatcher.ID != "" && c.format.IDs:
		c.takeID(notice.Dispatcher.ID)
	default:
		c.complain("unexpected notice %.80q", line)
	}
}

// takeFrame takes a frame of a WebSocket.
func (c *client) takeFrame(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	size, head := int(p[1]), 2
	switch {
	case size == 126 && len(p) >= 4:
		size, head = int(binary.BigEndian.Uint16(p[2:])), 4
	case size == 127 && len(p) >= 10:
		size, head = int(binary.BigEndian.Uint64(p[2:])), 10
	case size >= 126:
		return 0
	}
	if len(p) < head+size {
		return 0
	}
	payload := p[head : head+size]
	switch p[0] {
	case 0x81:
		c.takeJSON(payload)
	case 0x88:
		c.seen.retries++
		c.seen.complete = true
	case 0x89:
		if number, ok := strings.CutPrefix(string(payload), "skipped "); ok {
			c.takeSkipped(number)
		} else if size == 0 {
			c.seen.keepAlives = append(c.seen.keepAlives, c.seen.received)
		} else {
			c.complain("ping %q", payload)
		}
	case 0x8A:
		c.seen.pongs++
	default:
		c.complain("frame %x", p[:head])
	}
	return head + size
}
