package view

import (
	"errors"
	"strings"

	"event-dispatcher/broker/jsonkey"
)

// A Path leads to a member of an event: the names of members, joined by dots. In
// a name, a backslash takes the meaning from the character behind it: "a\.b" is
// one name with a dot in it. Paths of a view from the same [Registry] are equal if
// and only if they are the same pointer.
type Path struct {
	names []string
	text  string // normalised, with escapes
	tree  jsonkey.Tree
}

// Find returns the bytes of the member's value as they stand in the event (a
// string keeps its quotes): of the last such member if there are several. The
// result is a part of event.
func (p *Path) Find(event []byte) ([]byte, bool) {
	var spans [16]jsonkey.Span
	var ids [16]int32
	found := p.tree.Found(spans[:], ids[:])
	found.Scan(event)
	return found.Value(event, int32(len(p.names)-1))
}

// AppendKey appends bytes that are the same for events whose members are equal,
// however they are spelled, and different for others. It appends nothing and
// reports false if the event has no such member.
func (p *Path) AppendKey(dst, event []byte) ([]byte, bool) {
	raw, ok := p.Find(event)
	if !ok || len(raw) == 0 {
		return dst, false
	}
	if raw[0] == '"' {
		inside := raw[1:max(len(raw)-1, 1)]
		return jsonkey.AppendText(append(dst, '"'), inside, len(inside)), true
	}
	if n, ok := parseNumber(raw); ok {
		return n.appendKey(dst), true
	}
	return append(dst, raw...), true
}

// String is the path as it is asked for.
func (p *Path) String() string { return p.text }

// newPath makes the path of these names. A tree with one path has the ids 0, 1, 2
// down to its end.
func newPath(names []string) *Path {
	p := &Path{names: names, text: pathText(names)}
	p.tree.Add(names)
	return p
}

const maxName = 256 // bytes; what jsonkey takes

// pathSpecials are the characters that mean something in a path somewhere: as a
// name's part they stand behind a backslash in a normalised path.
const pathSpecials = `\.,=!<>^~`

var (
	errNoPath    = errors.New("a path is missing: names of members, joined by dots")
	errEmptyName = errors.New("a path has an empty name: too many dots; write \\. for a dot within a name")
	errLongName  = errors.New("a name in a path is longer than 256 bytes")
	errBlank     = errors.New("a name in a path begins or ends with a blank; write a backslash before it if that is its name")
	errBackslash = errors.New("a backslash at the end has nothing to escape")
)

// cutPath reads a path up to the first character of stop that has no backslash
// before it, and returns the rest, which begins with that character.
func cutPath(s, stop string) (names []string, rest string, err error) {
	var name []byte
	blank := false // the last character of name is a blank without a backslash
	i := 0
	end := func() error {
		switch {
		case len(name) == 0:
			return errEmptyName
		case len(name) > maxName:
			return errLongName
		case blank:
			return errBlank
		}
		names = append(names, string(name))
		name = name[:0]
		return nil
	}
loop:
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i++; i == len(s) {
				return nil, "", errBackslash
			}
			name, blank = append(name, s[i]), false
		case c == '.':
			if err := end(); err != nil {
				return nil, "", err
			}
		case strings.IndexByte(stop, c) >= 0:
			break loop
		case c == ' ' && len(name) == 0:
			return nil, "", errBlank
		default:
			name, blank = append(name, c), c == ' '
		}
	}
	if len(name) == 0 && len(names) == 0 {
		return nil, "", errNoPath
	}
	if err := end(); err != nil {
		return nil, "", err
	}
	return names, s[i:], nil
}

// pathText is the normalised spelling that cutPath reads.
func pathText(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('.')
		}
		for j := range len(name) {
			c := name[j]
			edge := c == ' ' && (j == 0 || j == len(name)-1)
			if edge || strings.IndexByte(pathSpecials, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
