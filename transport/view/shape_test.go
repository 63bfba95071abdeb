package view

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

func mustShape(t testing.TB, members string) *Shape {
	t.Helper()
	o := Options{}.withDefaults()
	d := draft{options: &o}
	if err := d.readMembers(members); err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	return newShape(d.members).build()
}

func TestShape(t *testing.T) {
	event := `{"z":{"y":[1, 2],"x":{"w":1.50}},"a":"\u0061\/","b":{"c":1},"b":{"d":2},"e.f":3,"q\"":4,"n":null,"<":5}`
	for _, tt := range []struct{ members, want string }{
		{"a", `{"a":"\u0061\/"}`},
		{"z.x.w,a", `{"a":"\u0061\/","z":{"x":{"w":1.50}}}`},
		{"z.y,z.x", `{"z":{"x":{"w":1.50},"y":[1, 2]}}`},
		{"z,z.y,z.x.w", `{"z":{"y":[1, 2],"x":{"w":1.50}}}`},
		{"b.c", `{}`}, // the last b has no c
		{"b", `{"b":{"d":2}}`},
		{`e\.f`, `{"e.f":3}`},
		{`q",\<`, `{"<":5,"q\"":4}`},
		{"n", `{"n":null}`},
		{"nothing,z.nothing,a.b", `{}`},
		{"a,a", `{"a":"\u0061\/"}`},
	} {
		s := mustShape(t, tt.members)
		if got := string(s.Append(nil, []byte(event))); got != tt.want {
			t.Errorf("members=%s: %s; want %s", tt.members, got, tt.want)
		}
		if again := mustShape(t, s.text); again.text != s.text {
			t.Errorf("members=%s is normalised to %s, and that to %s", tt.members, s.text, again.text)
		}
	}
	for _, event := range []string{`[1]`, `"a"`, `1`, `{}`} {
		if got := string(mustShape(t, "a").Append([]byte("x"), []byte(event))); got != "x{}" {
			t.Errorf("of %s: %s; want x{}", event, got)
		}
	}
	if got := string((*Shape)(nil).Append(nil, []byte(`[1]`))); got != "[1]" {
		t.Errorf("without a shape: %s", got)
	}
}

func FuzzShape(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":{"b":1,"c":[2]},"d":3}`, "a.b,d"}, {`{"a":{"b":1},"a":{"c":2}}`, "a.b,a.c"}, {`{"\u0061":"\ud800"}`, "a"}, {`{"a":{}}`, `a,a.b,\,`}, {`{"a"`, "a"},
	} {
		f.Add([]byte(seed[0]), seed[1])
	}
	f.Fuzz(func(t *testing.T, event []byte, members string) {
		o := Options{}.withDefaults()
		d := draft{options: &o}
		if !utf8.ValidString(members) || d.readMembers(members) != nil {
			return
		}
		s := newShape(d.members).build()
		got := s.Append(nil, event)
		if !json.Valid(event) || !utf8.Valid(event) {
			return
		}
		// The oracle puts each member where it was.
		want := map[string]any{}
		source := decode(event)
		for _, path := range s.paths {
			value, ok := follow(source, path)
			if !ok {
				continue
			}
			at := want
			for _, name := range path[:len(path)-1] {
				inner, ok := at[name].(map[string]any)
				if !ok {
					inner = map[string]any{}
					at[name] = inner
				}
				at = inner
			}
			at[path[len(path)-1]] = value
		}
		if !json.Valid(got) || !reflect.DeepEqual(decode(got), any(want)) {
			t.Errorf("members=%q of %q: %q; want %v", members, event, got, want)
		}
	})
}
