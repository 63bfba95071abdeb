package consumer

import (
	"bytes"
	"errors"
	"strconv"
)

// handler is told what a stream says, in order. The slices are borrowed.
type handler interface {
	// event gets the data of one event and the length of its whole frame.
	event(data []byte, frame int)
	// skipped gets the number of a `: skipped N` comment.
	skipped(n uint64)
}

var (
	errField = errors.New("a line that is neither data, comment, retry nor empty")
	errBlank = errors.New("an empty line that ends nothing")
	errNoEnd = errors.New("an event of more than 1 MiB")
)

const maxFrame = 1 << 20

// parser takes the stream apart (WHATWG "Server-sent events"), and is stricter
// than a browser: whatever a dispatcher has no reason to write is an error.
// Only line feeds end lines here, because events have no other line ends.
type parser struct {
	foreign  bool // lines with an id, and those with a carriage return alone, are passed over, which other servers write unasked
	inEvent  bool // a data line was seen; its empty line is still to come
	comments bool // a comment was seen; an empty line may follow
	data     []byte
}

// parse handles the complete frames in b and returns how much of b they are.
// The rest must come again, in front of what follows it.
func (p *parser) parse(b []byte, h handler) (used int, err error) {
	pos := 0
	for {
		end := bytes.IndexByte(b[pos:], '\n')
		if end < 0 {
			if len(b)-used > maxFrame {
				return used, errNoEnd
			}
			// An event is taken whole or not at all.
			p.inEvent = false
			return used, nil
		}
		line := b[pos : pos+end]
		pos += end + 1
		switch {
		case len(line) == 0 && p.inEvent:
			h.event(p.data, pos-used)
			p.inEvent = false
			used = pos
		case len(line) == 0 && p.comments:
			p.comments = false
			used = pos
		case len(line) == 0:
			return used, errBlank
		case bytes.HasPrefix(line, []byte("data: ")) && !p.inEvent:
			p.inEvent, p.comments = true, false
			p.data = line[len("data: "):]
		case line[0] == ':' && !p.inEvent:
			if n, ok := skipNotice(line); ok {
				h.skipped(n)
			}
			p.comments = true
			used = pos
		case !p.inEvent && (bytes.HasPrefix(line, []byte("retry:")) || p.foreign && (bytes.HasPrefix(line, []byte("id:")) || string(line) == "\r")):
			p.comments = true
			used = pos
		default:
			return used, errField
		}
	}
}

// skipNotice reads `: skipped N`.
func skipNotice(line []byte) (n uint64, ok bool) {
	digits, ok := bytes.CutPrefix(line, []byte(": skipped "))
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, err == nil
}
