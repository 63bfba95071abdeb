package cmcd

import (
	"errors"
	"math"
	"unicode/utf8"
)

var (
	// ErrSyntax is returned for a record that is no dictionary.
	ErrSyntax = errors.New("it is no dictionary of Structured Fields (RFC 8941)")

	// ErrUTF8 is returned for a record that is not valid UTF-8.
	ErrUTF8 = errors.New("not valid UTF-8")

	// ErrIncomplete is returned for a record without e or ts.
	ErrIncomplete = errors.New("it must have e and ts")

	// ErrTooLarge is returned for a record that has, or becomes, more bytes than it may.
	ErrTooLarge = errors.New("larger than the limit")
)

// Version is the version of the standard that this package knows.
const Version = 2

// A Record is what is told of a record besides its JSON.
type Record struct {
	Version int64 // 1 if it does not say (CTA-5004-B)
	Newer   bool  // its version is not one that is known here
	Written int   // bytes of JSON that were made of it, also if it is refused, or they were taken back

	// Session is its sid as it stands between the quotes, a part of the record; nil
	// if it has none. Sequence is its sn, -1 if it has none.
	Session  []byte
	Sequence int64
}

// Append appends the JSON object of a record to dst; both may have up to most bytes. If
// the record is refused dst comes back as it was, and offset says at which byte of the
// record it goes wrong; r has what was written even so. The time is proportional to the record's
// length, whatever its keys are, and to what is written, and the memory to most.
func Append(dst, record []byte, most int) (out []byte, r Record, offset int, err error) {
	if len(record) > most {
		return dst, Record{}, most, ErrTooLarge
	}
	if !utf8.Valid(record) {
		return dst, Record{}, 0, ErrUTF8
	}
	p := parser{in: record, out: dst, most: len(dst) + most}
	r, hasEvent, hasTime := Record{Version: 1, Sequence: -1}, false, false
	p.dictionary(func(key, value []byte) {
		switch string(key) {
		case "e":
			hasEvent = true
		case "ts":
			hasTime = true
		case "v":
			r.Version = integer(value, 1)
		case "sn":
			r.Sequence = integer(value, -1)
		case "sid":
			r.Session = nil
			if len(value) >= 2 && value[0] == '"' {
				r.Session = value[1 : len(value)-1]
			}
		}
	})
	r.Written = len(p.out) - len(dst) + p.undone
	refused := Record{Written: r.Written}
	switch {
	case p.large || !p.failed && len(p.out) > p.most:
		return dst, refused, p.at, ErrTooLarge
	case p.failed:
		return dst, refused, p.at, ErrSyntax
	case !hasEvent || !hasTime:
		return dst, refused, len(record), ErrIncomplete
	}
	r.Newer = r.Version > Version
	return p.out, r, 0, nil
}

// integer reads the spelling of an item that may be an integer.
func integer(value []byte, otherwise int64) int64 {
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' || n > math.MaxInt64/10-1 {
			return otherwise
		}
		n = n*10 + int64(c-'0')
	}
	if len(value) == 0 {
		return otherwise
	}
	return n
}
