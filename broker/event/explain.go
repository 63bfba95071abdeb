package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// A Hint is a guess at what a body that is no event was meant to be.
type Hint uint8

const (
	NoHint Hint = iota
	LooksLikeLines
	LooksLikeForm
	LooksCompressed
	SingleQuotes
	SeveralValues
)

var hints = [...]string{
	LooksLikeLines:  "it looks like one event per line: send those with Content-Type: application/x-ndjson",
	LooksLikeForm:   "it looks like form data: send JSON",
	LooksCompressed: "it looks compressed: name the coding in Content-Encoding",
	SingleQuotes:    "JSON strings stand in double quotes",
	SeveralValues:   "something follows the end of the first value",
}

// String is the hint in words; empty for [NoHint].
func (h Hint) String() string { return hints[h] }

// Explain says where a body goes wrong for which [Check] found the fault, and what
// it may have been meant to be. The offset counts from 0; that of a body which
// ends too early is its length.
func Explain(body []byte, fault Fault) (offset int, hint Hint) {
	switch fault {
	case InvalidUTF8:
		offset = validPrefix(body)
	case InvalidJSON:
		offset = jsonPrefix(body)
	}
	return offset, guess(body, fault, offset)
}

// validPrefix is the length of the valid UTF-8 at the beginning.
func validPrefix(body []byte) int {
	n := 0
	for n < len(body) {
		r, size := utf8.DecodeRune(body[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// jsonPrefix is where encoding/json stops to read.
func jsonPrefix(body []byte) int {
	var value json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, &value); !errors.As(err, &syntax) {
		return len(body)
	}
	// Its offset is the number of bytes that were read, the wrong one included,
	// unless what is wrong is that there are no more.
	if syntax.Error() == "unexpected end of JSON input" {
		return len(body)
	}
	return max(int(syntax.Offset)-1, 0)
}

func guess(body []byte, fault Fault, offset int) Hint {
	text := trimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")), bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return LooksCompressed
	case fault != InvalidJSON || len(text) == 0:
		return NoHint
	case body[min(offset, len(body)-1)] == '\'':
		return SingleQuotes
	case looksLikeForm(text):
		return LooksLikeForm
	}
	line, more, _ := bytes.Cut(text, []byte{'\n'})
	switch {
	case len(trimSpace(more)) > 0 && Check(trimSpace(line)) == None:
		return LooksLikeLines
	case offset > 0 && offset < len(body) && Check(body[:offset]) == None:
		return SeveralValues
	}
	return NoHint
}

// looksLikeForm knows multipart bodies by their first boundary, and the others by
// a name that an equals sign follows.
func looksLikeForm(text []byte) bool {
	if bytes.HasPrefix(text, []byte("--")) {
		return true
	}
	for _, c := range text {
		switch {
		case c == '=':
			return true
		case c != '_' && c != '-' && c != '.' && c != '%' && c != '+' && c != '[' && c != ']' &&
			(c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'):
			return false
		}
	}
	return false
}
