package view

import (
	"bytes"

	"event-dispatcher/broker/jsonkey"
)

// A value is a member of an event, ready to be compared with literals.
type value struct {
	kind kind
	text []byte // what a string says, a literal's name, or an array or object as it stands
	num  number

	hash   uint64 // by hashValue
	hashed bool
}

type kind uint8

const (
	missing kind = iota
	text
	numeric
	literal // true, false, null
	compound
)

// maxValue is the longest literal that a condition can have, in bytes. More of an
// escaped string is never decoded.
const maxValue = 256

// valueOf reads what Find returned. A string with a backslash is decoded onto the
// end of buf, up to a little more than maxValue: enough to compare it with any
// literal. Everything else refers to raw. It returns buf as it is then.
func valueOf(raw []byte, ok bool, buf []byte) (value, []byte) {
	if !ok || len(raw) == 0 {
		return value{}, buf
	}
	switch c := raw[0]; {
	case c == '"':
		inside := raw[1:max(len(raw)-1, 1)]
		if bytes.IndexByte(inside, '\\') < 0 {
			return value{kind: text, text: inside}, buf
		}
		from := len(buf)
		buf = jsonkey.AppendText(buf, inside, maxValue)
		return value{kind: text, text: buf[from:]}, buf
	case c == '{' || c == '[':
		return value{kind: compound, text: raw}, buf
	case c == '-' || c-'0' <= 9:
		if n, ok := parseNumber(raw); ok {
			return value{kind: numeric, num: n}, buf
		}
		return value{}, buf // not valid JSON
	}
	return value{kind: literal, text: raw}, buf
}
