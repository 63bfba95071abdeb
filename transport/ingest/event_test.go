package ingest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"event-dispatcher/broker/event"
	"event-dispatcher/transport/refusal"
)

// accepted is what the rest of the world calls JSON in UTF-8. Both parsers give
// up at the same depth, 10,000, which is a promise of neither grammar but of ours.
func accepted(body []byte) bool { return json.Valid(body) && utf8.Valid(body) }

const deepest = 10_000

// checkEvent is the judgement of a body.
func checkEvent(body []byte) (refusal.Reason, bool) {
	fault := event.Check(body)
	return faults[fault], fault == event.None
}

// bodies that parsers are known to disagree about, in the manner of Nicolas
// Seriot's "Parsing JSON is a minefield".
var bodies = []struct {
	body string
	want bool
}{
	{`null`, true}, {`true`, true}, {`false`, true}, {`""`, true}, {`[]`, true}, {`{}`, true}, {" [ ] ", true},
	{`0`, true}, {`-0`, true}, {`-0.0`, true}, {`1e1`, true}, {`1E+2`, true}, {`1e-2`, true}, {`0e+1`, true}, {`123.456e78`, true},
	{`1e999999`, true}, {`-1e-999999`, true}, {strings.Repeat("9", 10_000), true}, {"0." + strings.Repeat("0", 10_000) + "1", true},
	{`""`, true}, {`"\u0000"`, true}, {`"\ud800"`, true}, {`"\udc00\ud800"`, true}, {`"\uD834\uDd1e"`, true}, {`"\"\\\/\b\f\n\r\t"`, true},
	{"\"\x7f\"", true}, {"\"\u2028\u2029\"", true}, {"\"\U0010ffff\"", true}, {"\"\ufeff\"", true}, {`{"":0}`, true}, {`{"a":1,"a":2}`, true},
	{`{"a":{"a":[{"a":[]}]}}`, true}, {"\t\n\r 1\r\n", true}, {`[1,2,[3,{"x":null}]]`, true},

	{``, false}, {` `, false}, {`nul`, false}, {`Null`, false}, {`NULL`, false}, {`nulls`, false}, {`truefalse`, false}, {`NaN`, false},
	{`Infinity`, false}, {`-`, false}, {`+1`, false}, {`01`, false}, {`-01`, false}, {`1.`, false}, {`.1`, false}, {`-.1`, false},
	{`1e`, false}, {`1e+`, false}, {`1.e1`, false}, {`0x1`, false}, {`1_000`, false}, {`1 2`, false}, {`1,`, false}, {"\uff11", false},
	{`"`, false}, {`"a`, false}, {`'a'`, false}, {`"\x00"`, false}, {`"\u12"`, false}, {`"\u12G4"`, false}, {`"\a"`, false}, {`"\`, false},
	{"\"\x00\"", false}, {"\"\x1f\"", false}, {"\"\t\"", false}, {"\"\n\"", false}, {"\"\r\"", false}, {`"a" "b"`, false},
	{`[`, false}, {`]`, false}, {`[1`, false}, {`[1,`, false}, {`[1,]`, false}, {`[,1]`, false}, {`[1 2]`, false}, {`[1]]`, false}, {`[1:2]`, false},
	{`{`, false}, {`}`, false}, {`{"a"}`, false}, {`{"a":}`, false}, {`{"a":1,}`, false}, {`{,"a":1}`, false}, {`{a:1}`, false}, {`{1:1}`, false},
	{`{"a" 1}`, false}, {`{"a":1 "b":2}`, false}, {`{"a":1}}`, false}, {`{"a":1}x`, false}, {`{"a":1}{}`, false}, {`{null:1}`, false},
	{`[1}`, false}, {`{"a":1]`, false}, {`// c` + "\n1", false}, {`/* c */1`, false}, {`1 // c`, false}, {"1\x00", false}, {"\x00", false},
	{"\xef\xbb\xbf1", false}, {"1\xef\xbb\xbf", false}, {"\u00a01", false}, {"\v1", false}, {"\f1", false}, {"\u20281", false},
	{"\"\xff\"", false}, {"\"\xc0\x80\"", false}, {"\"\xed\xa0\x80\"", false}, {"\"\xf4\x90\x80\x80\"", false}, {"\"\xe2\x82\"", false}, {"{\"\xff\":1}", false},
	{"{\"" + strings.Repeat("\xae", 1024), false},
}

func TestBodiesAreJudgedAsEverywhereElse(t *testing.T) {
	t.Parallel()
	for _, tt := range bodies {
		if _, got := checkEvent([]byte(tt.body)); got != tt.want || accepted([]byte(tt.body)) != tt.want {
			t.Errorf("checkEvent(%.60q) = %v; want %v; encoding/json says %v", tt.body, got, tt.want, accepted([]byte(tt.body)))
		}
	}
	for _, form := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		levels := strings.Count(form[0], "[") + strings.Count(form[0], "{")
		for _, depth := range []int{1, deepest / levels, deepest/levels + 1, 2 * deepest} {
			body := strings.Repeat(form[0], depth) + "1" + strings.Repeat(form[1], depth)
			_, got := checkEvent([]byte(body))
			if want := depth*levels <= deepest; got != want || accepted([]byte(body)) != want {
				t.Errorf("checkEvent(%s... %d deep) = %v; want %v; encoding/json says %v", form[0], depth*levels, got, want, accepted([]byte(body)))
			}
		}
	}
}

func FuzzValidAgainstEncodingJSON(f *testing.F) {
	for _, b := range bodies {
		f.Add([]byte(b.body))
	}
	for _, depth := range []int{deepest, deepest + 1} {
		f.Add([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		reason, got := checkEvent(body)
		if want := accepted(body); got != want {
			t.Errorf("checkEvent(%q) = %v, %v; encoding/json and utf8 say %v", body, reason, got, want)
		}
		if string(body) != before {
			t.Errorf("checkEvent(%q) left %q", before, body)
		}
		if !got && reason.Status() != 400 {
			t.Errorf("checkEvent(%q) = %v, which is status %d; want 400", body, reason, reason.Status())
		}
		if !got {
			return
		}
		head, tail, empty, object := event.SplitObject(body)
		var members map[string]json.RawMessage
		isObject := json.Unmarshal(body, &members) == nil && members != nil
		if object != isObject {
			t.Fatalf("SplitObject(%q) says object %v; want %v", body, object, isObject)
		}
		if object && (empty != (len(members) == 0) || fmt.Sprintf("%s%s", head, tail) != before) {
			t.Errorf("SplitObject(%q) = %q, %q, empty %v; want its two parts, empty %v", body, head, tail, empty, len(members) == 0)
		}
	})
}
