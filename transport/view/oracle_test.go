package view

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
)

// What follows says again what conditions mean, by decoding the event.

func decode(event []byte) any {
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func follow(v any, path []string) (any, bool) {
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = object[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// rational is the value of a number; ok is false if big.Rat would take too long.
func rational(s string) (*big.Rat, bool) {
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// oracle reports whether the condition holds; known is false where it cannot say.
func (c *condition) oracle(event any) (holds, known bool) {
	v, ok := follow(event, c.path)
	same := func(o operand) bool {
		switch v := v.(type) {
		case string:
			return v == o.text
		case bool:
			return (v && o.text == "true") || (!v && o.text == "false")
		case nil:
			return ok && o.text == "null"
		case json.Number:
			a, okA := rational(v.String())
			if !json.Valid([]byte(o.text)) {
				return false
			}
			b, okB := rational(o.text)
			if decimal(o.text) && (!okA || !okB) {
				known = false
			}
			return decimal(o.text) && okA && okB && a.Cmp(b) == 0
		}
		return false
	}
	known = true
	switch c.op {
	case exists:
		return ok, true
	case equal, differs:
		for _, o := range c.values {
			holds = holds || (ok && same(o))
		}
		return holds == (c.op == equal), known
	}
	o := c.values[0].text
	order := 0
	switch v := v.(type) {
	case string:
		if c.op == prefix {
			return strings.HasPrefix(v, o), true
		}
		if decimal(o) {
			return false, true
		}
		order = strings.Compare(v, o)
	case json.Number:
		if c.op == prefix || !decimal(o) {
			return false, true
		}
		a, okA := rational(v.String())
		b, okB := rational(o)
		if !okA || !okB {
			return false, false
		}
		order = a.Cmp(b)
	default:
		return false, true
	}
	switch c.op {
	case less:
		return order < 0, true
	case lessOrEqual:
		return order <= 0, true
	case greater:
		return order > 0, true
	}
	return order >= 0, true
}

// decimal reports whether s is a number as JSON spells them.
func decimal(s string) bool {
	return s != "" && (s[0] == '-' || s[0]-'0' <= 9) && json.Valid([]byte(s)) && strings.TrimSpace(s) == s
}
