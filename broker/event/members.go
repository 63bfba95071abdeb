package event

import (
	"bytes"
	"strings"
)

// SplitObject splits a valid event before the brace that ends the object. ok is
// false if it is no object, empty if it has no members.
func SplitObject(event []byte) (head, tail []byte, empty, ok bool) {
	if !IsObject(event) {
		return nil, nil, false, false
	}
	end := bytes.LastIndexByte(event, '}')
	before := end - 1
	for isSpace(event[before]) {
		before--
	}
	return event[:end], event[end:], event[before] == '{', true
}

// Names are names of members that are looked for together.
type Names []name

// A name has an underscore at pivot, which is rarer in events than letters are.
type name struct {
	text  string
	pivot int
}

// NewNames returns a set. Names must be of ASCII letters, digits and underscores,
// with an underscore somewhere between.
func NewNames(list ...string) (names Names) {
	for _, text := range list {
		pivot := strings.IndexByte(text, '_')
		if pivot < 1 || pivot == len(text)-1 {
			panic("event: no underscore between the letters of " + text)
		}
		names = append(names, name{text, pivot})
	}
	return names
}

// Cut removes the top-level members with one of the names from a valid object, in
// place: all of them if a name occurs more than once, and also where the name is
// spelled with escapes. It returns the object that is left, a part of the one that
// came.
func (names Names) Cut(object []byte) []byte {
	if !names.mayBeIn(object) {
		return object
	}
	// Members are read at from and kept at to. The comma before a member belongs to it.
	from := skipSpace(object, 0) + 1
	to := from
	kept := 0
	for {
		start := skipSpace(object, from)
		if start >= len(object) || object[start] != '"' {
			break // the brace of an empty object
		}
		colon := skipString(object, start)
		end := skipValue(object, skipSpace(object, colon)+1)
		if !names.spelledBy(object[start+1 : colon-1]) {
			if kept > 0 {
				object[to] = ','
				to++
			}
			to += copy(object[to:], object[from:end])
			kept++
		}
		from = end
		if object[end] != ',' {
			break
		}
		from++
	}
	to += copy(object[to:], object[from:])
	return object[:to]
}

// mayBeIn is cheap, and false for nearly every event that has none of the names:
// their characters can be escaped as \u00XX only.
func (names Names) mayBeIn(object []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(object[at:], '_')
		if i < 0 {
			break
		}
		at += i
		for _, n := range names {
			if from, to := at-n.pivot, at-n.pivot+len(n.text); from >= 0 && to <= len(object) &&
				object[at-1] == n.text[n.pivot-1] && string(object[from:to]) == n.text {
				return true
			}
		}
	}
	i := bytes.IndexByte(object, '\\')
	return i >= 0 && bytes.Contains(object[i:], []byte(`\u00`))
}

func (names Names) spelledBy(spelled []byte) bool {
	for _, n := range names {
		if spells(spelled, n.text) {
			return true
		}
	}
	return false
}

// spells reports whether the bytes between the quotes of a string stand for name.
func spells(spelled []byte, name string) bool {
	for i := range len(name) {
		if len(spelled) >= 6 && spelled[0] == '\\' && spelled[1] == 'u' {
			if string(spelled[2:4]) != "00" || hex(spelled[4])<<4|hex(spelled[5]) != name[i] {
				return false
			}
			spelled = spelled[6:]
			continue
		}
		if len(spelled) == 0 || spelled[0] != name[i] {
			return false
		}
		spelled = spelled[1:]
	}
	return len(spelled) == 0
}

// hex is the value of a hexadecimal digit of a valid string.
func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0x0f + 9
}
