package view

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// escaped is text as it stands in a path or a value, with a backslash before all that
// may mean something.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Every character may be in names and values, behind a backslash and percent-encoded
// once. What is encoded twice is another name.
func TestEveryCharacterMayBeInPathsAndValues(t *testing.T) {
	b := newBroker(t)
	texts := []string{"\u2028", "\u202e", "é", "日本", "\U0001F600", "\ufffd", "\u00a0", strings.Repeat("x", 250)}
	for c := range 128 {
		texts = append(texts, string(rune(c)))
	}
	for _, text := range texts {
		for _, name := range []string{text, "a" + text + "b", text + text} {
			if len(name) <= maxName {
				checkCharacters(t, b, name)
			}
		}
	}
}

// checkCharacters asks for a name, and for a value that is the same.
func checkCharacters(t *testing.T, b Shards, name string) {
	t.Helper()
	r := NewRegistry(Options{})
	event, err := json.Marshal(map[string]map[string]string{name: {"in": name}})
	if err != nil {
		t.Fatal(err)
	}
	ops := []string{"=", "^="}
	if _, number := parseNumber([]byte(name)); !number { // those are ordered as numbers
		ops = append(ops, ">=", "<=")
	}
	for _, op := range ops {
		where := escaped(name) + ".in" + op + escaped(name)
		v, _, err := r.Parse(b, args("where="+url.QueryEscape(where)))
		if err != nil {
			t.Errorf("where=%q: %v", where, err)
			continue
		}
		var m Matcher
		m.Add(v.Select)
		if one, all := v.Select.Match(event), len(m.Match(event, nil)) == 1; !one || !all {
			t.Errorf("where=%q passes %s: %v, with all others %v; want true", where, event, one, all)
		}
		if again, _, err := r.Parse(b, args(v.Canonical())); err != nil || again != v {
			t.Errorf("%q: its own query is another view, %v", v.Canonical(), err)
		}
	}
	twice := url.QueryEscape(url.QueryEscape(escaped(name)))
	if v, _, err := r.Parse(b, args("where="+twice)); err == nil && name[0] < 0x80 && v.Select.Match(event) {
		t.Errorf("where=%s, %q encoded twice, passes %s; want it to be another name", twice, name, event)
	}
	v, _, err := r.Parse(b, args("members="+url.QueryEscape(escaped(name))))
	if err != nil {
		t.Errorf("members=%q: %v", name, err)
		return
	}
	var got, want any
	if err := json.Unmarshal(v.Shape.Append(nil, event), &got); err != nil || json.Unmarshal(event, &want) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("members=%q of %s = %v, %v; want it whole", name, event, got, err)
	}
}
