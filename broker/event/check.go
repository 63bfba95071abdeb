package event

import (
	"bytes"
	"unicode/utf8"

	"github.com/goccy/go-json"
)

// A Fault is why bytes are not an event.
type Fault uint8

const (
	None Fault = iota
	Empty
	ByteOrderMark
	InvalidUTF8
	InvalidJSON
)

const byteOrderMark = "\xEF\xBB\xBF"

// Check reports whether body is one JSON value in UTF-8.
func Check(body []byte) Fault {
	switch {
	case len(body) == 0:
		return Empty
	case !json.Valid(body):
		if bytes.HasPrefix(body, []byte(byteOrderMark)) {
			return ByteOrderMark
		}
		if !utf8.Valid(body) {
			return InvalidUTF8
		}
		return InvalidJSON
	case !utf8.Valid(body): // json.Valid does not look
		return InvalidUTF8
	}
	return None
}

// OneLine replaces each CR and LF of valid JSON by a space, in place. They can
// only stand between tokens, so the value is the same.
func OneLine(event []byte) {
	replace(event, '\n')
	replace(event, '\r')
}

func replace(event []byte, c byte) {
	for rest := event; ; {
		i := bytes.IndexByte(rest, c)
		if i < 0 {
			return
		}
		rest[i] = ' '
		rest = rest[i+1:]
	}
}

// IsObject reports whether a valid event is a JSON object.
func IsObject(event []byte) bool {
	i := skipSpace(event, 0)
	return i < len(event) && event[i] == '{'
}
