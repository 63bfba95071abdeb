package jsonkey

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendText appends what the inside of a JSON string says, as encoding/json
// decodes it: half a surrogate pair becomes U+FFFD. It stops, between characters, as soon
// as it has appended more than limit bytes, so that a buffer of limit+4 always
// does.
func AppendText(dst, inside []byte, limit int) []byte {
	start := len(dst)
	for len(inside) > 0 && len(dst)-start <= limit {
		if inside[0] != '\\' {
			n := bytes.IndexByte(inside, '\\')
			if n < 0 {
				n = len(inside)
			}
			if room := limit + 1 - (len(dst) - start); n > room {
				n = room
				for n < len(inside) && n < room+3 && !utf8.RuneStart(inside[n]) {
					n++ // not within a character
				}
			}
			dst, inside = append(dst, inside[:n]...), inside[n:]
			continue
		}
		if len(inside) < 2 {
			return dst // not valid JSON
		}
		c := inside[1]
		inside = inside[2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, inside = unit(inside)
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(inside) >= 2 && inside[0] == '\\' && inside[1] == 'u' {
					low, rest := unit(inside[2:])
					if pair = utf16.DecodeRune(r, low); pair != utf8.RuneError {
						inside = rest
					}
				}
				r = pair
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unit reads the four digits of a \u escape.
func unit(b []byte) (rune, []byte) {
	if len(b) < 4 {
		return utf8.RuneError, nil // not valid JSON
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c&15)
	}
	return r, b[4:]
}

// maxName is how many bytes of a name spelled with escapes are decoded. A path
// has no longer ones (see [Tree.Add]).
const maxName = 256

// says reports whether the inside of a JSON string says text. Names longer than
// maxName are decoded on the heap: no shard key is as long.
func says(inside []byte, text string) bool {
	var buf [maxName + 4]byte
	return string(AppendText(buf[:0], inside, len(text))) == text
}
