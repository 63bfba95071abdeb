package view

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A condition is one where parameter.
type condition struct {
	path   []string
	op     op
	values []operand // sorted by their text, each once
	text   string    // normalised, as parseCondition reads it
}

// An operand is a literal that members are compared with.
type operand struct {
	text    string
	numeric bool
	num     number // if numeric
}

type op uint8

const (
	exists op = iota
	equal
	differs
	less
	lessOrEqual
	greater
	greaterOrEqual
	prefix
)

var opText = [...]string{"", "=", "!=", "<", "<=", ">", ">=", "^="}

var (
	errOperator = errors.New("unknown operator: want = != < <= > >= or ^=, or a path alone; write a backslash before a value that begins with one of =<>!^~")
	errComma    = errors.New("a comma in the path; repeat the parameter for another condition, write \\, for a comma within a name")
	errNoValue  = errors.New("a value is missing after the operator")
	errOneValue = errors.New("several values are for = and != only; write \\, for a comma within a value")
	errLong     = fmt.Errorf("a value is longer than %d bytes", maxValue)
	errUTF8     = errors.New("not UTF-8")
)

// parseCondition reads "PATH", or "PATH OP VALUE" without blanks.
func parseCondition(s string) (c condition, err error) {
	var rest string
	if c.path, rest, err = cutPath(s, ",=!<>^"); err != nil {
		return c, err
	}
	if strings.HasPrefix(rest, ",") {
		return c, errComma
	}
	if rest == "" {
		return c.normalised(), nil
	}
	// The longer operators first: "<=" is not "<" and a value that begins with "=".
	for _, o := range []op{differs, lessOrEqual, greaterOrEqual, prefix, equal, less, greater} {
		if after, ok := strings.CutPrefix(rest, opText[o]); ok {
			c.op, rest = o, after
			break
		}
	}
	if c.op == exists || (rest != "" && strings.IndexByte(valueStarts, rest[0]) >= 0) {
		return c, errOperator // "==", "=~", "<>", a lone "!"
	}
	values, err := cutValues(rest)
	if err != nil {
		return c, err
	}
	if c.op != equal && c.op != differs {
		if len(values) > 1 {
			return c, errOneValue
		}
		if values[0] == "" {
			return c, errNoValue
		}
	}
	slices.Sort(values)
	for _, v := range slices.Compact(values) {
		if len(v) > maxValue {
			return c, errLong
		}
		n, ok := parseNumber([]byte(v))
		c.values = append(c.values, operand{text: v, numeric: ok, num: n})
	}
	return c.normalised(), nil
}

const valueStarts = "=<>!^~"

// cutValues splits at commas that have no backslash before them.
func cutValues(s string) ([]string, error) {
	var values []string
	var v []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return nil, errBackslash
			}
			v = append(v, s[i])
		case ',':
			values = append(values, string(v))
			v = v[:0]
		default:
			v = append(v, s[i])
		}
	}
	return append(values, string(v)), nil
}

func (c condition) normalised() condition {
	var b strings.Builder
	b.WriteString(pathText(c.path))
	b.WriteString(opText[c.op])
	for i, v := range c.values {
		if i > 0 {
			b.WriteByte(',')
		}
		for j := range len(v.text) {
			if ch := v.text[j]; ch == '\\' || ch == ',' || (i == 0 && j == 0 && strings.IndexByte(valueStarts, ch) >= 0) {
				b.WriteByte('\\')
			}
			b.WriteByte(v.text[j])
		}
	}
	c.text = b.String()
	return c
}

// holds reports whether the member that the condition is about fulfils it.
func (c *condition) holds(v *value) bool {
	switch c.op {
	case exists:
		return v.kind != missing
	case equal:
		return c.oneOf(v)
	case differs:
		return !c.oneOf(v)
	case prefix:
		return v.kind == text && len(v.text) >= len(c.values[0].text) &&
			string(v.text[:len(c.values[0].text)]) == c.values[0].text
	}
	order, ok := c.values[0].compare(v)
	if !ok {
		return false
	}
	switch c.op {
	case less:
		return order < 0
	case lessOrEqual:
		return order <= 0
	case greater:
		return order > 0
	default:
		return order >= 0
	}
}

func (c *condition) oneOf(v *value) bool {
	for i := range c.values {
		if c.values[i].equals(v) {
			return true
		}
	}
	return false
}

// equals: a string that says the literal, a number that has its value, or that
// very true, false or null.
func (o *operand) equals(v *value) bool {
	switch v.kind {
	case text, literal:
		return string(v.text) == o.text
	case numeric:
		return o.numeric && v.num.compare(&o.num) == 0
	}
	return false
}

// compare orders v against the operand: numbers if the operand is one, otherwise
// strings by their bytes. Everything else has no order.
func (o *operand) compare(v *value) (order int, ok bool) {
	switch {
	case o.numeric && v.kind == numeric:
		return v.num.compare(&o.num), true
	case !o.numeric && v.kind == text:
		return strings.Compare(string(v.text), o.text), true
	}
	return 0, false
}
