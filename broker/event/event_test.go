package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCheckNamesTheFault(t *testing.T) {
	for body, want := range map[string]Fault{
		"":              Empty,
		" ":             InvalidJSON,
		"1":             None,
		`{"a":[1,"b"]}`: None,
		`{"a":1}{}`:     InvalidJSON,
		"\xEF\xBB\xBF1": ByteOrderMark,
		"\"\xff\"":      InvalidUTF8,
		"{\xff":         InvalidUTF8,
		"1\x00":         InvalidJSON,
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001): InvalidJSON,
	} {
		if got := Check([]byte(body)); got != want {
			t.Errorf("Check(%.40q) = %v; want %v", body, got, want)
		}
	}
}

func TestExplainSaysWhereAndWhatItLooksLike(t *testing.T) {
	for _, tt := range []struct {
		body   string
		offset int
		hint   Hint
	}{
		{``, 0, NoHint},
		{`{"a":tru}`, 8, NoHint},
		{`{"a":1,}`, 7, NoHint},
		{`{"a":1`, 6, NoHint},
		{`["a`, 3, NoHint},
		{"1\x00", 1, SeveralValues},
		{"\"a\xffb\"", 2, NoHint},
		{"{\"a\":1}\n{\"a\":2}\n", 8, LooksLikeLines},
		{"{\"a\":1}\r\n{\"a\":2", 9, LooksLikeLines},
		{`{"a":1}{"a":2}`, 7, SeveralValues},
		{`a=1&b=2`, 0, LooksLikeForm},
		{`event_name=START`, 0, LooksLikeForm},
		{"--xyz\r\nContent-Disposition: form-data", 1, LooksLikeForm},
		{`{'a':1}`, 1, SingleQuotes},
		{`['a']`, 1, SingleQuotes},
		{"\x1f\x8b\x08\x00", 1, LooksCompressed},
		{"\x28\xb5\x2f\xfd\x04", 1, LooksCompressed},
		{"\xEF\xBB\xBF1", 0, NoHint},
		{"hello", 0, NoHint},
	} {
		offset, hint := Explain([]byte(tt.body), Check([]byte(tt.body)))
		if offset != tt.offset || hint != tt.hint {
			t.Errorf("Explain(%q) = %d, %v; want %d, %v", tt.body, offset, hint, tt.offset, tt.hint)
		}
	}
}

// walk is what a batch yields: events, and faults in brackets.
func walk(b Batch) []string {
	got, n, some := []string{}, b.Len(1<<30), b.Len(2)
	for {
		event, fault, ok := b.Next()
		switch {
		case !ok:
			if n != len(got) || some != min(n, 2) {
				got = append(got, fmt.Sprintf("Len() = %d, Len(2) = %d", n, some))
			}
			return got
		case fault != None:
			got = append(got, fmt.Sprintf("<%d>%s", fault, event))
		default:
			got = append(got, string(event))
		}
	}
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"nothing", "", nil},
		{"line ends only", "\n\r\n\n", nil},
		{"blanks only", " \n\t\r\n", nil},
		{"LF", "1\n2\n", []string{"1", "2"}},
		{"CRLF", "1\r\n2\r\n", []string{"1", "2"}},
		{"no end", "1\n2", []string{"1", "2"}},
		{"empty lines between", "1\n\n\r\n2", []string{"1", "2"}},
		{"blanks around", " 1 \n\t{} \r\n", []string{"1", "{}"}},
		{"CR alone separates nothing", "1\r2\n", []string{"<4>1\r2"}},
		{"CR alone within an event", "{\"a\":\r1}\n", []string{`{"a": 1}`}},
		{"one bad line", "1\nx\n2", []string{"1", "<4>x", "2"}},
		{"two values on a line", "{}{}\n1", []string{"<4>{}{}", "1"}},
		{"invalid UTF-8 in one", "\"\xff\"\n1", []string{"<3>\"\xff\"", "1"}},
		{"NUL", "1\n\x00\n2", []string{"1", "<4>\x00", "2"}},
		{"byte order mark", "\xEF\xBB\xBF1\n2", []string{"<2>\xEF\xBB\xBF1", "2"}},
		{"pretty-printed", "{\n\"a\":1\n}", []string{"<4>{", `<4>"a":1`, "<4>}"}},
		{"cut off", "{\"a\":1}\n{\"a\":", []string{`{"a":1}`, `<4>{"a":`}},
	} {
		if got := walk(Lines([]byte(tt.body))); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Lines(%q) = %q; want %q", tt.name, tt.body, got, tt.want)
		}
	}
}

func TestElements(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"empty", "[]", nil},
		{"blanks", " [ \n ] ", nil},
		{"values", `[1,"a",null,{},[]]`, []string{"1", `"a"`, "null", "{}", "[]"}},
		{"blanks around", " [ 1 , 2 ]\n", []string{"1", "2"}},
		{"arrays", `[[1,2],[3]]`, []string{"[1,2]", "[3]"}},
		{"commas and brackets in strings", `["a,]","\"],",{"]":","}]`, []string{`"a,]"`, `"\"],"`, `{"]":","}`}},
		{"pretty-printed", "[\r\n{\n\"a\": 1\n},\n2\n]", []string{`{ "a": 1 }`, "2"}},
		{"one is wrong", `[1,tru,3]`, []string{"1", "<4>tru", "3"}},
		{"one is missing", `[1,,3]`, []string{"1", "<1>", "3"}},
		{"comma at the end", `[1,]`, []string{"1", "<1>"}},
		{"comma only", `[,]`, []string{"<1>", "<1>"}},
		{"cut off in an element", `[1,{"a":`, []string{"1", `<4>{"a":`}},
		{"cut off in a string", `[1,"a,2]`, []string{"1", `<4>"a,2]`}},
		{"cut off after an element", `[1,2`, []string{"1", "<4>2"}},
		{"cut off after a comma", `[1,`, []string{"1", "<1>"}},
		{"cut off at the beginning", `[`, []string{"<1>"}},
		{"wrong bracket", `[1,2},3]`, []string{"1", "<4>2},3]"}},
		{"something follows", `[1,2]3`, []string{"1", "2", "<4>3"}},
		{"another array follows", `[1][2]`, []string{"1", "<4>[2]"}},
		{"brackets crossed", `[1,{"a":[}],2]`, []string{"1", `<4>{"a":[}]`, "2"}},
		{"invalid UTF-8 in one", "[\"\xff\",1]", []string{"<3>\"\xff\"", "1"}},
	} {
		b, ok := Elements([]byte(tt.body))
		if got := walk(b); !ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: Elements(%q) = %q, %v; want %q", tt.name, tt.body, got, ok, tt.want)
		}
	}
	for _, body := range []string{"", " ", "1", "{}", `"["`, "\xEF\xBB\xBF[]"} {
		if _, ok := Elements([]byte(body)); ok {
			t.Errorf("Elements(%q) takes it for an array", body)
		}
	}
}

// Each byte of a body is in at most one event, and what is left begins behind the last
// one: nothing is walked through again, however long the body and however broken.
func TestABatchIsWalkedOnce(t *testing.T) {
	const n = 1 << 20
	for _, tt := range []struct {
		name, body string
		elements   int
	}{
		{"nothing but commas", "[" + strings.Repeat(",", n) + "]", n + 1},
		{"short values", "[" + strings.Repeat("1,", n) + "1]", n + 1},
		{"brackets that are never closed", strings.Repeat("[", n), 1},
		{"a string of quotes, never closed", `["` + strings.Repeat(`\"`, n), 1},
		{"a string of backslashes", `["` + strings.Repeat(`\\`, n) + `"]`, 1},
		{"spaces", "[" + strings.Repeat(" ", n) + "]", 0},
	} {
		elements, ok := Elements([]byte(tt.body))
		if got := steps(t, tt.name, elements); !ok || got != tt.elements {
			t.Errorf("%s: %d elements, %v; want %d", tt.name, got, ok, tt.elements)
		}
		if got := steps(t, tt.name, Lines([]byte(tt.body))); got != 1 {
			t.Errorf("%s: %d lines; want 1", tt.name, got)
		}
	}
}

// steps counts the events of a batch, and reports one that reaches into what was
// walked through before or is left for later.
func steps(t *testing.T, name string, b Batch) (n int) {
	t.Helper()
	whole := b.rest
	at := func(part []byte) int { return cap(whole) - cap(part) } // all are parts of one array
	for {
		from := at(b.rest)
		event, _, ok := b.Next()
		if !ok {
			return n
		}
		n++
		to := len(whole)
		if b.rest != nil {
			to = at(b.rest)
		}
		if first, end := at(event), at(event)+len(event); to < from || first < from || end > to {
			t.Fatalf("%s: event %d is bytes %d to %d, of a step from %d to %d", name, n, first, end, from, to)
		}
	}
}

func TestSplitObject(t *testing.T) {
	for _, tt := range []struct {
		event, head, tail string
		empty, ok         bool
	}{
		{`{}`, `{`, `}`, true, true},
		{` { } `, ` { `, `} `, true, true},
		{`{"a":1}`, `{"a":1`, `}`, false, true},
		{`{"a":{}} `, `{"a":{}`, `} `, false, true},
		{`[]`, ``, ``, false, false},
		{`"{}"`, ``, ``, false, false},
	} {
		head, tail, empty, ok := SplitObject([]byte(tt.event))
		if string(head) != tt.head || string(tail) != tt.tail || empty != tt.empty || ok != tt.ok {
			t.Errorf("SplitObject(%q) = %q, %q, %v, %v; want %q, %q, %v, %v", tt.event, head, tail, empty, ok, tt.head, tt.tail, tt.empty, tt.ok)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ object, want string }{
		{`{}`, `{}`},
		{`{"a":1}`, `{"a":1}`},
		{`{"user_ip":"6.6.6.6"}`, `{}`},
		{`{"user_ip":"6.6.6.6","a":1}`, `{"a":1}`},
		{`{"a":1,"user_ip":"6.6.6.6"}`, `{"a":1}`},
		{`{"a":1,"user_ip":{"b":[1,"}"]},"c":2}`, `{"a":1,"c":2}`},
		{`{"user_ip":1,"a":1,"user_ip":2,"b":2,"user_ip":3}`, `{"a":1,"b":2}`},
		{` { "user_ip" : 1 , "a" : 1 } `, ` { "a" : 1 } `},
		{`{"event_id":1,"user_ip":2}`, `{}`},
		{`{"a_b":1,"_":2,"event_id":3,"r_ip":4,"user_i_p":5}`, `{"a_b":1,"_":2,"r_ip":4,"user_i_p":5}`},
		{`{"u\u0073er_ip":1,"a":1}`, `{"a":1}`},
		{`{"\u0075\u0073\u0065\u0072\u005F\u0069\u0070":1,"a":1}`, `{"a":1}`},
		{`{"a":{"user_ip":1},"b":["user_ip"],"c":"user_ip"}`, `{"a":{"user_ip":1},"b":["user_ip"],"c":"user_ip"}`},
		{`{"user_ip2":1,"xuser_ip":2,"user_i":3,"user_ip\u0000":4,"User_ip":5}`, `{"user_ip2":1,"xuser_ip":2,"user_i":3,"user_ip\u0000":4,"User_ip":5}`},
		{`{"a":"\\\"","user_ip":1,"":2}`, `{"a":"\\\"","":2}`},
		{`{"a\u0075":1,"\ud800":2}`, `{"a\u0075":1,"\ud800":2}`},
	} {
		if got := NewNames("user_ip", "event_id").Cut([]byte(tt.object)); string(got) != tt.want {
			t.Errorf("Cut(%s) = %s; want %s", tt.object, got, tt.want)
		}
	}
}

// idLen is the length of an event's id.
const idLen = 36

func TestIDsIncreaseAndAreUUIDs(t *testing.T) {
	g := NewIDs()
	now := time.UnixMilli(1764752400000)
	last := ""
	for i := range 10_000 { // more than one millisecond has
		if i == 5_000 {
			now = now.Add(-time.Hour) // the clock is set back
		}
		id := string(g.Append(nil, now))
		if len(id) != idLen || id[8] != '-' || id[13] != '-' || id[14] != '7' || id[18] != '-' || id[23] != '-' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("id %q is no UUID of version 7", id)
		}
		if id <= last {
			t.Fatalf("id %q follows %q", id, last)
		}
		last = id
	}
	if first := string(NewIDs().Append(nil, now)); !strings.HasPrefix(first, fmt.Sprintf("%012x", now.UnixMilli())[:8]) {
		t.Errorf("id %q does not begin with the time", first)
	}
	if a, b := NewIDs().Append(nil, now), NewIDs().Append(nil, now); bytes.Equal(a, b) {
		t.Errorf("two sources make the same id %s", a)
	}
}

func TestIDsAreUniqueAcrossGoroutines(t *testing.T) {
	g, now := NewIDs(), time.Now()
	const n, each = 8, 2_000
	ids := make([][]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for range each {
				ids[i] = append(ids[i], string(g.Append(nil, now)))
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, list := range ids {
		if !slices.IsSorted(list) {
			t.Error("ids of one goroutine are not in order")
		}
		for _, id := range list {
			seen[id] = true
		}
	}
	if len(seen) != n*each {
		t.Errorf("%d different ids; want %d", len(seen), n*each)
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"1\n2", "1\r\n\r\n{}\r", "\n\n", "x\n\"\xff\"\n1", "{\"a\":\r1}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		want := []string{}
		for line := range bytes.SplitSeq(body, []byte{'\n'}) {
			line = bytes.Trim(line, " \t\r")
			if len(line) > 0 {
				want = append(want, verdict(line))
			}
		}
		got := []string{}
		for b := Lines(bytes.Clone(body)); ; {
			event, fault, ok := b.Next()
			if !ok {
				break
			}
			got = append(got, said(event, fault))
		}
		if !slices.Equal(got, want) {
			t.Errorf("Lines(%q) = %q; want %q", body, got, want)
		}
	})
}

// verdict is what becomes of an event, by encoding/json.
func verdict(event []byte) string {
	if !json.Valid(event) || !utf8.Valid(event) {
		return "no: " + string(event)
	}
	return "yes: " + string(bytes.ReplaceAll(bytes.ReplaceAll(event, []byte("\r"), []byte(" ")), []byte("\n"), []byte(" ")))
}

func said(event []byte, fault Fault) string {
	if fault != None {
		return "no: " + string(event)
	}
	return "yes: " + string(event)
}

func FuzzElements(f *testing.F) {
	for _, seed := range []string{"[]", "[1,2]", `[{"a":"],"},[1,[2]]]`, "[1,]", "[1", "[1]]", `["\\",1]`, "[\n1\r,\n2]", "[{]}]", "[\"\xff\"]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, ok := Elements(bytes.Clone(body))
		var want []json.RawMessage
		if valid := json.Unmarshal(body, &want) == nil && want != nil; valid {
			if !ok {
				t.Fatalf("Elements(%q) does not see the array", body)
			}
			for _, element := range want {
				event, fault, ok := b.Next()
				if !ok || said(event, fault) != verdict(element) {
					t.Fatalf("Elements(%q): Next() = %q, %v, %v; want %q", body, event, fault, ok, element)
				}
			}
			if event, fault, ok := b.Next(); ok {
				t.Fatalf("Elements(%q): one too many: %q, %v", body, event, fault)
			}
			return
		}
		// What is no array by encoding/json has a fault, and what passes is valid.
		faults := 0
		for ok {
			var event []byte
			var fault Fault
			event, fault, ok = b.Next()
			if fault != None {
				faults++
			} else if ok && (!json.Valid(event) || !utf8.Valid(event) || bytes.ContainsAny(event, "\r\n")) {
				t.Errorf("Elements(%q): %q passes", body, event)
			}
		}
		if faults == 0 && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
			t.Errorf("Elements(%q) finds no fault", body)
		}
	})
}

func FuzzCut(f *testing.F) {
	for _, seed := range []string{`{"user_ip":1,"a":{"user_ip":2}}`, ` { "u\u0073er_ip" : "\\" , "b":[] } `, `{"a":1,"event_id":{},"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		if Check(object) != None || !IsObject(object) {
			return
		}
		got := NewNames("user_ip", "event_id").Cut(bytes.Clone(object))
		if Check(got) != None {
			t.Fatalf("Cut(%q) = %q, which is not valid", object, got)
		}
		want := slices.DeleteFunc(membersOf(t, object), func(m [2]string) bool { return m[0] == "user_ip" || m[0] == "event_id" })
		if members := membersOf(t, got); !slices.Equal(members, want) {
			t.Errorf("Cut(%q) = %q with %q; want %q", object, got, members, want)
		}
	})
}

// membersOf are the names and values of an object, in order, by encoding/json.
func membersOf(t *testing.T, object []byte) (members [][2]string) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		members = append(members, [2]string{name.(string), string(value)})
	}
	return members
}

func FuzzExplain(f *testing.F) {
	for _, seed := range []string{"", "{", "{'a'}", "1\n2", "\xff", "a=b", "{}{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := Check(body)
		if offset, hint := Explain(body, fault); offset < 0 || offset > len(body) || fault == None && (offset != 0 || hint != NoHint) {
			t.Errorf("Explain(%q, %v) = %d, %v", body, fault, offset, hint)
		}
	})
}
