package event

import "bytes"

// The skip functions return the offset after what they skip, at most len(b).
// They know strings and brackets only, so they also get through what is not
// valid.

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// trimSpace cuts JSON's white space off both ends.
func trimSpace(b []byte) []byte {
	b = b[skipSpace(b, 0):]
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// skipString skips the string whose opening quote is b[i].
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

// skipValue skips to the comma or the closing bracket that ends the value at
// b[i], with the white space before it.
func skipValue(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		if !marks[b[i]] {
			continue
		}
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return i
			}
		default:
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return len(b)
}

// marks are the bytes that skipValue looks at.
var marks = [256]bool{'"': true, '{': true, '[': true, '}': true, ']': true, ',': true}
