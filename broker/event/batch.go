package event

import "bytes"

// A Batch walks through the events of one body, in order. Each is checked by
// itself: what is wrong with one does not cost the others.
type Batch struct {
	rest   []byte
	form   form
	broken bool // the array was never closed, or something follows it
}

type form uint8

const (
	lines form = iota
	elements
	remains // what follows the end of an array
)

// Lines is the batch of a body with one event per line (NDJSON, JSON Lines).
// Lines end with LF or CRLF. Empty ones, and those of blanks only, are skipped.
func Lines(body []byte) Batch { return Batch{rest: body} }

// Elements is the batch of a body that is one JSON array: an event per element.
// It reports false if the body does not begin as an array.
//
// An array that is cut off is a batch like lines that are cut off: what is
// complete counts, and the rest is one more event, which is not valid. The same
// holds for what follows the end of the array.
func Elements(body []byte) (Batch, bool) {
	body = trimSpace(body)
	if len(body) == 0 || body[0] != '[' {
		return Batch{}, false
	}
	if rest := trimSpace(body[1:]); string(rest) == "]" { // no element, rather than an empty one
		return Batch{}, true
	}
	return Batch{rest: body[1:], form: elements}, true
}

// Len is how many events are left, most if there are more. They are counted, not checked.
func (b Batch) Len(most int) (n int) {
	for n < most {
		if _, ok := b.Cut(); !ok {
			break
		}
		n++
	}
	return n
}

// Next returns the next event, without white space around it, and what is wrong
// with it. It reports false after the last one. An event without a fault is one
// line; the slice is a part of the body and belongs to the caller.
func (b *Batch) Next() (event []byte, fault Fault, ok bool) {
	if event, ok = b.Cut(); !ok {
		return nil, None, false
	}
	fault = Check(event)
	if b.broken && fault == None {
		fault = InvalidJSON
	}
	if fault == None {
		OneLine(event)
	}
	return event, fault, true
}

// Cut returns the next event as it stands, unchecked, without white space around it. It
// reports false after the last one.
func (b *Batch) Cut() (event []byte, ok bool) {
	switch {
	case b.rest == nil:
		return nil, false
	case b.form == lines:
		return b.line()
	case b.form == elements:
		return b.element(), true
	}
	event, b.rest, b.broken = b.rest, nil, true
	return event, true
}

func (b *Batch) line() ([]byte, bool) {
	line := b.rest[skipSpace(b.rest, 0):] // empty lines, too
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line, b.rest = line[:end], line[end+1:]
	} else {
		b.rest = nil
	}
	return trimSpace(line), len(line) > 0
}

func (b *Batch) element() []byte {
	end := skipValue(b.rest, 0)
	element := trimSpace(b.rest[:end])
	switch {
	case end == len(b.rest) || b.rest[end] == '}': // never closed, or closed by the wrong bracket
		element, b.rest, b.broken = trimSpace(b.rest), nil, true
	case b.rest[end] == ',':
		b.rest = b.rest[end+1:]
	default:
		b.form = remains
		if b.rest = trimSpace(b.rest[end+1:]); len(b.rest) == 0 {
			b.rest = nil
		}
	}
	return element
}
