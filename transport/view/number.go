package view

import (
	"bytes"
	"cmp"
	"strconv"
)

// A number is a JSON number, exactly: ±0.digits × 10^exp. Comparing needs no
// arithmetic on the digits, so 400 of them are as good as four.
type number struct {
	zero, neg bool
	digits    []byte // from the first digit that is not 0 to the last; a point may be among them
	exp       int64
}

// Exponents beyond this are taken as this. Nobody means the difference, and sums
// stay far from overflow.
const maxExp = 1e15

// parseNumber reads a number as JSON spells them (RFC 8259, section 6). It keeps b.
func parseNumber(b []byte) (n number, ok bool) {
	i := 0
	if i < len(b) && b[i] == '-' {
		n.neg = true
		i++
	}
	first, last, point := -1, -1, -1 // offsets of significant digits and of the point
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			if b[i] != '0' {
				if first < 0 {
					first = i
				}
				last = i
			}
			i++
		}
		return i > from
	}
	whole := i
	if !digits() || (b[whole] == '0' && i > whole+1) {
		return n, false
	}
	point = i
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return n, false
		}
	}
	var e int64
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		minus := i < len(b) && b[i] == '-'
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			i++
		}
		from := i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			e = min(e*10+int64(b[i]-'0'), maxExp)
		}
		if i == from {
			return n, false
		}
		if minus {
			e = -e
		}
	}
	if i != len(b) {
		return n, false
	}
	if first < 0 {
		return number{zero: true}, true // -0 is 0
	}
	n.digits = b[first : last+1]
	n.exp = int64(point-first) + e
	if first > point {
		n.exp++ // the point itself stands between
	}
	return n, true
}

// compare orders numbers by their value.
func (n *number) compare(o *number) int {
	if n.zero || o.zero {
		return n.sign() - o.sign()
	}
	if n.neg != o.neg {
		return n.sign()
	}
	c := cmp.Compare(n.exp, o.exp)
	if c == 0 {
		c = compareDigits(n.digits, o.digits)
	}
	return c * n.sign()
}

func (n *number) sign() int {
	switch {
	case n.zero:
		return 0
	case n.neg:
		return -1
	}
	return 1
}

// compareDigits compares fractions: 5 is more than 49, and 5 is less than 51.
func compareDigits(a, b []byte) int {
	for {
		if len(a) > 0 && a[0] == '.' {
			a = a[1:]
		}
		if len(b) > 0 && b[0] == '.' {
			b = b[1:]
		}
		if len(a) == 0 || len(b) == 0 {
			return cmp.Compare(len(a), len(b)) // the last digit is not 0
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
}

// appendKey appends a spelling that equal numbers share and others do not.
func (n *number) appendKey(dst []byte) []byte {
	if n.zero {
		return append(dst, '0')
	}
	if n.neg {
		dst = append(dst, '-')
	}
	if at := bytes.IndexByte(n.digits, '.'); at >= 0 {
		dst = append(append(dst, n.digits[:at]...), n.digits[at+1:]...)
	} else {
		dst = append(dst, n.digits...)
	}
	return strconv.AppendInt(append(dst, 'e'), n.exp, 10)
}
