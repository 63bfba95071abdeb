package jsonkey

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The skip functions return the offset after what they skip, at most len(b).

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipName skips a string byte by byte, as names are short, and says whether a
// backslash is in it. b[i] is the opening quote.
func skipName(b []byte, i int) (end int, escaped bool) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return len(b), escaped
}

const (
	ones        = 0x0101010101010101
	highs       = 0x8080808080808080
	quotes      = '"' * ones
	backslashes = '\\' * ones
)

// skipString skips a string. b[i] is the opening quote. Events carry JSON within
// strings, where every third byte may be a backslash: eight bytes at a time are
// best there. They carry stack traces of kilobytes as well, whose quotes are far
// apart: so after 64 bytes without a quote the next one is searched.
func skipString(b []byte, i int) int {
	i++
	for search := i + 64; i+8 <= len(b); {
		if i >= search {
			n := bytes.IndexByte(b[i:], '"')
			if n < 0 {
				return len(b)
			}
			// It ends the string unless an odd number of backslashes stands before
			// it. b[i] is not escaped itself, so they can be counted from there.
			escapes := 0
			for escapes < n && b[i+n-1-escapes] == '\\' {
				escapes++
			}
			i += n + 1
			if escapes%2 == 0 {
				return i
			}
			search = i + 64
			continue
		}
		word := binary.LittleEndian.Uint64(b[i:])
		// The lowest high bit that is set marks the first quote or backslash:
		// x-ones borrows only from a byte that is zero itself.
		q, s := word^quotes, word^backslashes
		marks := ((q - ones) &^ q & highs) | ((s - ones) &^ s & highs)
		if marks == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(marks) >> 3
		if b[i] == '"' {
			return i + 1
		}
		i += 2
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(b)
}

// ends marks what ends a number or a literal; marks what matters between
// brackets.
var (
	ends   = [256]bool{',': true, '}': true, ']': true, ' ': true, '\t': true, '\n': true, '\r': true}
	nested = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}
)

func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) && !ends[b[i]] {
		i++
	}
	return i
}

// skipNested skips an object or an array. It counts brackets rather than recursing,
// so that a million of them are no deeper than one.
func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		if !nested[b[i]] {
			i++
			continue
		}
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		default:
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}
