// Package jsonkey finds a member of a JSON object without decoding it.
package jsonkey

import "bytes"

// Find returns the bytes of the value of the first top-level member called name,
// as they stand in the event (a string keeps its quotes). The event must be valid
// JSON; anything but an object has no members. Members of nested objects and
// names that occur within strings do not count. A name spelled with escapes
// ("session\u005fid") is not recognised. The result is a part of event.
func Find(event []byte, name string) ([]byte, bool) {
	i := skipSpace(event, 0)
	if i >= len(event) || event[i] != '{' {
		return nil, false
	}
	i = skipSpace(event, i+1)
	for i < len(event) && event[i] == '"' {
		end := skipString(event, i)
		found := string(event[i+1:max(end-1, i+1)]) == name
		i = skipSpace(event, end)
		if i >= len(event) || event[i] != ':' {
			return nil, false // not valid JSON
		}
		i = skipSpace(event, i+1)
		end = skipValue(event, i)
		if found {
			return event[i:end], true
		}
		i = skipSpace(event, end)
		if i >= len(event) || event[i] != ',' {
			return nil, false
		}
		i = skipSpace(event, i+1)
	}
	return nil, false
}

// The skip functions return the offset after what they skip, at most len(b).

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		// The quote ends the string unless an odd number of backslashes stands before it.
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++ // stops at the opening quote at the latest
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
