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
	bySize []int32   // places in values of those that are numbers, the smallest first
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
	errOperator = errors.New("unknown operator: want = != < <= > >= or ^=, or a path alone; write a backslash before one of =<>!^~ in a name, or at the beginning of a value")
	errComma    = errors.New("a comma in the path; repeat the parameter for another condition, write \\, for a comma within a name")
	errNoValue  = errors.New("a value is missing after the operator")
	errOneValue = errors.New("several values are for = and != only; write \\, for a comma within a value")
	errLong     = fmt.Errorf("a value is longer than %d bytes", maxValue)
	errUTF8     = errors.New("not UTF-8")
)

// parseCondition reads "PATH", or "PATH OP VALUE" without blanks.
func parseCondition(s string) (c condition, err error) {
	var rest string
	if c.path, rest, err = cutPath(s, ",=!<>^~"); err != nil {
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
		if ok {
			c.bySize = append(c.bySize, int32(len(c.values)))
		}
		c.values = append(c.values, operand{text: v, numeric: ok, num: n})
	}
	slices.SortFunc(c.bySize, func(i, j int32) int { return c.values[i].num.compare(&c.values[j].num) })
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

// oneOf reports whether a value is one of the literals: a string that says it, a number
// that has its value, or that very true, false or null. It takes much the same time for a
// few literals as for many.
func (c *condition) oneOf(v *value) bool {
	low, high := 0, len(c.values)
	if v.kind == numeric {
		high = len(c.bySize)
	}
	for low < high {
		i := (low + high) / 2
		switch order := c.orderAt(i, v); {
		case order == 0:
			return true
		case order < 0:
			low = i + 1
		default:
			high = i
		}
	}
	return false
}

// orderAt compares with v the literal at a place, of its kind, in order. What is neither a
// string, a number nor a literal is behind all.
func (c *condition) orderAt(i int, v *value) int {
	switch v.kind {
	case text, literal:
		switch says := c.values[i].text; {
		case says == string(v.text):
			return 0
		case says > string(v.text):
			return 1
		}
	case numeric:
		return c.values[c.bySize[i]].num.compare(&v.num)
	}
	return -1
}

// compare orders v against the operand: numbers if the operand is one, otherwise
// strings by their bytes. Everything else has no order.
func (o *operand) compare(v *value) (order int, ok bool) {
	switch {
	case o.numeric && v.kind == numeric:
		return v.num.compare(&o.num), true
	case !o.numeric && v.kind == text:
		switch { // written like this, nothing is copied, and the text may be as long as an event
		case string(v.text) < o.text:
			return -1, true
		case string(v.text) > o.text:
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
