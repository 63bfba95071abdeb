package jsonkey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTreeFindsAllPathsInOnePass(t *testing.T) {
	var tree Tree
	paths := [][]string{{"event_name"}, {"data", "a"}, {"data", "b", "c"}, {"data"}, {"data", "b"}}
	ids := make([]int32, len(paths))
	for i, path := range paths {
		ids[i] = tree.Add(path)
	}
	found := tree.Found(nil, nil)
	for _, tt := range []struct {
		event string
		want  []string // per path
	}{
		{`{"event_name":"STOP","data":{"a":1,"b":{"c":[2]}}}`, []string{`"STOP"`, `1`, `[2]`, `{"a":1,"b":{"c":[2]}}`, `{"c":[2]}`}},
		{`{"a":1,"b":2,"c":3}`, []string{"", "", "", "", ""}},
		{`{"other":{"data":{"a":1}},"data":[{"a":1}]}`, []string{"", "", "", `[{"a":1}]`, ""}},
		{`{"data":{"a":1},"data":{"b":{"c":2}}}`, []string{"", "", `2`, `{"b":{"c":2}}`, `{"c":2}`}},
		{`{"data":{"b":{"c":2}},"data":{"b":7}}`, []string{"", "", "", `{"b":7}`, `7`}},
		{`{"data":{"a":1},"data":"{\"a\":2}"}`, []string{"", "", "", `"{\"a\":2}"`, ""}},
		{`{"data":{"a":1},"data":{"a":2,"a":3}}`, []string{"", `3`, "", `{"a":2,"a":3}`, ""}},
		{`{"d\u0061ta":{"\u0061":1}}`, []string{"", `1`, "", `{"\u0061":1}`, ""}},
		{`["event_name"]`, []string{"", "", "", "", ""}},
		{`{"data":{"a":1`, []string{"", "1", "", `{"a":1`, ""}}, // not valid JSON: anything but a panic
	} {
		found.Scan([]byte(tt.event))
		for i, id := range ids {
			got, ok := found.Value([]byte(tt.event), id)
			if string(got) != tt.want[i] || ok != (tt.want[i] != "") {
				t.Errorf("%s: %v is %s, %v; want %s", tt.event, paths[i], got, ok, tt.want[i])
			}
		}
	}
}

func TestTreeForgetsWhatIsRemoved(t *testing.T) {
	var tree Tree
	event := []byte(`{"a":{"b":1,"c":2},"d":3}`)
	b, c := tree.Add([]string{"a", "b"}), tree.Add([]string{"a", "c"})
	if again := tree.Add([]string{"a", "b"}); again != b {
		t.Errorf("the same path has the ids %d and %d", b, again)
	}
	tree.Remove([]string{"a", "b"})
	found := tree.Found(nil, nil)
	found.Scan(event)
	if v, ok := found.Value(event, b); !ok || string(v) != "1" {
		t.Errorf("a.b is %q, %v after one of two was removed", v, ok)
	}
	tree.Remove([]string{"a", "b"})
	tree.Remove([]string{"a", "c"})
	found = tree.Found(nil, nil)
	found.Scan(event)
	if len(found.IDs()) != 0 {
		t.Errorf("an empty tree finds %v", found.IDs())
	}
	// The ids are used again, for members elsewhere.
	size := tree.Size()
	d := tree.Add([]string{"d"})
	tree.Add([]string{"x", "y"})
	found = tree.Found(nil, nil)
	found.Scan(event)
	if v, ok := found.Value(event, d); !ok || string(v) != "3" || tree.Size() != size {
		t.Errorf("d is %q, %v, size %d; want 3 and %d (ids %d, %d before)", v, ok, tree.Size(), size, b, c)
	}
}

// Nothing that a producer can send makes a pass slower than its length.
func TestDuplicatesCostNoMoreThanTheirBytes(t *testing.T) {
	var tree Tree
	for i := range 1000 {
		tree.Add([]string{"data", fmt.Sprint("m", i)})
	}
	var event bytes.Buffer
	event.WriteString(`{"data":{"m0":0`)
	for i := range 1000 {
		fmt.Fprintf(&event, `,"m%d":0`, i)
	}
	event.WriteString(`}` + strings.Repeat(`,"data":{}`, 100_000) + `}`)
	found := tree.Found(nil, nil)
	found.Scan(event.Bytes())
	for _, id := range found.IDs() {
		if v, ok := found.Value(event.Bytes(), id); ok && string(v) != "{}" {
			t.Fatalf("%s outlives the object that it was in", v)
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	var tree Tree
	id := tree.Add([]string{"data", "a"})
	event := []byte(`{"d\u0061ta":{"a":"x"}}`)
	if n := testing.AllocsPerRun(100, func() {
		var spans [4]Span
		var ids [4]int32
		found := tree.Found(spans[:], ids[:])
		found.Scan(event)
		if v, _ := found.Value(event, id); len(v) != 3 {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations per pass", n)
	}
}

// decoded follows a path through what encoding/json makes of an event.
func decoded(event []byte, path []string) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
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

func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":{"c":1}},"b":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":[{"b":1}],"\u0061":{"b":{}}}`, `{"a":{"b`, `{"a":{"b":1,"b":{"c":"\ud800"}}}`,
	} {
		f.Add([]byte(seed), "a", "b", "c")
	}
	f.Fuzz(func(t *testing.T, event []byte, a, b, c string) {
		if len(a) > maxName || len(b) > maxName || len(c) > maxName {
			return
		}
		var tree Tree
		paths := [][]string{{a}, {b}, {a, b}, {a, c}, {a, b, c}, {c, a}}
		ids := make([]int32, len(paths))
		for i, path := range paths {
			ids[i] = tree.Add(path)
		}
		found := tree.Found(nil, nil)
		found.Scan(event)
		if !json.Valid(event) || !utf8.Valid(event) {
			return
		}
		for i, path := range paths {
			got, ok := found.Value(event, ids[i])
			want, wantOK := decoded(event, path)
			var gotValue any
			if ok {
				d := json.NewDecoder(bytes.NewReader(got))
				d.UseNumber()
				if err := d.Decode(&gotValue); err != nil {
					t.Fatalf("%q in %q is %q: %v", path, event, got, err)
				}
			}
			if ok != wantOK || fmt.Sprintf("%#v", gotValue) != fmt.Sprintf("%#v", want) {
				t.Errorf("%q in %q is %q, %v; want %v, %v", path, event, got, ok, want, wantOK)
			}
		}
	})
}

// skipString changes its way after 64 bytes.
func TestStringsOfEveryLengthAreSkipped(t *testing.T) {
	for _, unit := range []string{"x", `\\`, `\"`, `x\"`, `\\\"`, `é`, `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\`} {
		for n := range 200 {
			inside := strings.Repeat(unit, n)
			for _, end := range []string{"", `\"`, `\\`} {
				event := `{"a":"` + inside + end + `","key":1,"b":"` + inside + `"}`
				if got, ok := Find([]byte(event), "key"); string(got) != "1" || !ok {
					t.Fatalf("Find(%s) = %s, %v", event, got, ok)
				}
			}
		}
	}
}

func FuzzAppendText(f *testing.F) {
	for _, seed := range []string{`"a\"\\\/\b\f\n\r\t"`, `"\ud83d\ude00\ud800x\udc00"`, `"\uD800\u0041é日本"`, `"\u12`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, value []byte, limit int) {
		if len(value) < 2 || value[len(value)-1] != '"' || limit < 0 || limit > 1<<16 {
			return
		}
		got := AppendText(nil, value[1:len(value)-1], limit)
		var want string
		if !utf8.Valid(value) || value[0] != '"' || json.Unmarshal(value, &want) != nil {
			return
		}
		if len(got) > limit+4 || !strings.HasPrefix(want, string(got)) || (len(got) <= limit && string(got) != want) {
			t.Errorf("%s, at most %d bytes: %q; want %q", value, limit, got, want)
		}
	})
}
