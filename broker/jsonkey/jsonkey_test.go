package jsonkey

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event string
		want  string // "" means not found
	}{
		{"string", `{"key":"v"}`, `"v"`},
		{"number", `{"key":-1.5e3}`, `-1.5e3`},
		{"literal", `{"key":null,"b":1}`, `null`},
		{"empty string", `{"key":""}`, `""`},
		{"object", `{"key":{"a":[1,{"b":2}]},"c":3}`, `{"a":[1,{"b":2}]}`},
		{"array", `{"key":[1,[2,"]"]],"c":3}`, `[1,[2,"]"]]`},
		{"white space everywhere", " {\r\n\t\"key\" :\t1 \n, \"b\" : 2 } ", `1`},
		{"last member", `{"a":1,"b":"x","key":true}`, `true`},
		{"last of duplicates", `{"key":1,"key":2}`, `2`},
		{"last of duplicates, spelled differently", `{"key":1,"k\u0065y":[2],"a":3}`, `[2]`},
		{"name with escapes", `{"k\u0065y":1}`, `1`},
		{"every kind of escape", `{"\"\\\/\b\f\n\r\t\ud83d\ude00":2,"key":1}`, `1`},
		{"after a nested look-alike", `{"a":{"key":1},"key":2}`, `2`},
		{"after a look-alike in an array", `{"a":[{"key":1},"key"],"key":2}`, `2`},
		{"after a look-alike in a string", `{"a":"\"key\":1,","key":2}`, `2`},
		{"after a look-alike as a value", `{"a":"key","key":2}`, `2`},
		{"after escaped backslashes", `{"a":"\\\\","key":2}`, `2`},
		{"after a backslash and a quote", `{"a":"\\\"","key":2}`, `2`},
		{"after braces in a string", `{"a":["}",{"b":"]"}],"key":2}`, `2`},
		{"value with escapes", `{"key":"a\\\"}b","c":1}`, `"a\\\"}b"`},
		{"value not ASCII", `{"é":1,"key":"日本"}`, `"日本"`},

		{"no members", `{}`, ""},
		{"only nested", `{"a":{"key":1}}`, ""},
		{"only in an array", `[{"key":1}]`, ""},
		{"only in a string", `{"a":"\"key\":1"}`, ""},
		{"only as a value", `{"a":"key"}`, ""},
		{"longer name", `{"keys":1,"xkey":2}`, ""},
		{"shorter name", `{"ke":1}`, ""},
		{"other case", `{"Key":1}`, ""},
		{"longer name with escapes", `{"k\u0065ys":1}`, ""},
		{"shorter name with escapes", `{"k\u0065":1}`, ""},
		{"half an escape", `{"key\u006":1}`, ""},
		{"string", `"key"`, ""},
		{"number", `1`, ""},
		{"nothing", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Find([]byte(tt.event), "key")
			if string(got) != tt.want || ok != (tt.want != "") {
				t.Errorf("Find(%s, key) = %s, %v; want %s, %v", tt.event, got, ok, tt.want, tt.want != "")
			}
		})
	}
}

func TestFindKnowsTheEmptyName(t *testing.T) {
	if got, ok := Find([]byte(`{"a":1,"":2}`), ""); string(got) != "2" || !ok {
		t.Errorf("Find(empty name) = %s, %v; want 2, true", got, ok)
	}
}

func TestFindIsLinearAndNotRecursive(t *testing.T) {
	const deep = 1 << 20
	for name, event := range map[string]string{
		"brackets":    `{"a":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `,"key":1}`,
		"backslashes": `{"a":"` + strings.Repeat(`\\`, deep) + `","key":1}`,
		"quotes":      `{"a":"` + strings.Repeat(`\"`, deep) + `","key":1}`,
	} {
		if got, ok := Find([]byte(event), "key"); string(got) != "1" || !ok {
			t.Errorf("Find(%d %s) = %s, %v; want 1, true", deep, name, got, ok)
		}
	}
}

// FuzzFind compares with encoding/json on valid JSON, and looks for panics on
// anything else.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		`{"key":1}`, `{"a":{"key":1},"key":"\\\""}`, ` [ { } ] `, `{"k\u0065y":1,"key":[1,"]"]}`, `{"key`, `{"key":`, `{"a":"\`, `{"\"":0,"":[]}`,
	} {
		f.Add([]byte(seed), "key")
	}
	f.Add([]byte(`{"":1}`), "")
	f.Fuzz(func(t *testing.T, event []byte, name string) {
		got, ok := Find(event, name)
		if !json.Valid(event) || !utf8.Valid(event) {
			return
		}
		want, wantOK := reference(t, event, name)
		if ok != wantOK || !bytes.Equal(got, want) {
			t.Errorf("Find(%q, %q) = %q, %v; want %q, %v", event, name, got, ok, want, wantOK)
		}
	})
}

// reference does what Find does with the decoder of encoding/json.
func reference(t *testing.T, event []byte, name string) ([]byte, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil {
		return nil, false // not an object
	}
	value, ok := members[name]
	return value, ok
}

func BenchmarkFind(b *testing.B) {
	for name, event := range map[string]string{
		"json-in-a-string": `{"event_name":"HEARTBEAT","data":{"log":"` + strings.Repeat(`x\"`, 100) +
			`","stall":{"count":0}},"timestamp":1700000000000,"version":1,"session_id":"9f1c1e4e-5a0a-4a4c-a6a7-0f8b7a1a2b3c"}`,
		"heartbeat": `{"session_id":"9f1c1e4e-5a0a-4a4c-a6a7-0f8b7a1a2b3c","event_name":"HEARTBEAT","timestamp":1764752400000,"version":1,"data":{` +
			`"player":{"platform":"Web","version":"7.2.1","name":"Pillarbox"},"position":12345,"duration":5400000,"buffer":{"duration":29.75},` +
			`"bandwidth":8123456,"bitrate":4200000,"stall":{"count":0,"duration":0},"frame_drops":3,"volume":0.8,"screen":{"width":1920,"height":1080},` +
			`"media":{"id":"urn:rts:video:12345678","metadata_url":"https://il.example/2.1/mediaComposition/byUrn/urn"},"os":{"name":"macOS","version":"14.5"}}}`,
		"stack-trace": `{"session_id":"9f1c1e4e-5a0a-4a4c-a6a7-0f8b7a1a2b3c","data":{"log":"` + strings.Repeat(`at com.example.player.Buffer.read (Buffer.kt:1)\n\t`, 400) + `"}}`,
	} {
		b.Run("event="+name, func(b *testing.B) {
			event := []byte(event)
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Find(event, "session_id"); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}
