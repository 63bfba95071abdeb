package ingest

import (
	"bytes"
	"unicode/utf8"

	"github.com/goccy/go-json"

	"event-dispatcher/transport/refusal"
)

// checkEvent reports whether body is one JSON value in UTF-8. Nothing is decoded.
func checkEvent(body []byte) (refusal.Reason, bool) {
	switch {
	case len(body) == 0:
		return refusal.EmptyBody, false
	case !json.Valid(body):
		if bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")) {
			return refusal.ByteOrderMark, false
		}
		if !utf8.Valid(body) {
			return refusal.InvalidUTF8, false
		}
		return refusal.InvalidJSON, false
	case !utf8.Valid(body): // json.Valid does not look
		return refusal.InvalidUTF8, false
	}
	return 0, true
}

// oneLine replaces each CR and LF of valid JSON by a space, in place. They can
// only stand between tokens, so the value is the same, and the event is one
// line of a stream.
func oneLine(event []byte) {
	for _, c := range [...]byte{'\n', '\r'} {
		for rest := event; ; {
			i := bytes.IndexByte(rest, c)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}

const space = " \t\r\n" // JSON's white space

// splitObject splits valid JSON before the brace that ends the object; ok is
// false if it is not an object, empty if it has no members.
func splitObject(event []byte) (head, tail []byte, empty, ok bool) {
	if trimmed := bytes.TrimLeft(event, space); trimmed[0] != '{' {
		return nil, nil, false, false
	}
	end := bytes.LastIndexByte(event, '}')
	before := bytes.TrimRight(event[:end], space)
	return event[:end], event[end:], before[len(before)-1] == '{', true
}
