package cmcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// most is more than any record here becomes.
const most = 1 << 20

func TestAppend(t *testing.T) {
	const required = `e=t,ts=1764752400000`
	for _, tt := range []struct {
		name, record string
		want         string // without e and ts; an error begins with !
	}{
		{"keys of the standard", `br=4200,sid="a\"b\\c",sta=p,v=2`, `"br":4200,"sid":"a\"b\\c","sta":"p","v":2`},
		{"a bare key", `bs`, `"bs":true`},
		{"booleans", `a=?1,b=?0`, `"a":true,"b":false`},
		{"decimals", `pr=1.05,a=-0.5,b=1.50`, `"pr":1.05,"a":-0.5,"b":1.50`},
		{"leading zeros", `a=007,b=000,c=-01.5,d=00.1`, `"a":7,"b":0,"c":-1.5,"d":0.1`},
		{"a date", `a=@1764752400`, `"a":1764752400`},
		{"a byte sequence", `a=:aGk=:,b=::`, `"a":"aGk=","b":""`},
		{"tokens", `a=*x/y:z,b=A!#$%&'*+-.^_` + "`" + `|~`, `"a":"*x/y:z","b":"A!#$%&'*+-.^_` + "`" + `|~"`},
		{"inner lists", `mtp=(48100),br=(4200 800),a=(),b=( "x y"  z )`, `"mtp":[48100],"br":[4200,800],"a":[],"b":["x y","z"]`},
		{"parameters", `a=1;x;y=2,b;z="q"`, `"a":{"value":1,"params":{"x":true,"y":2}},"b":{"value":true,"params":{"z":"q"}}`},
		{"parameters in a list", `br=(4200;v 800; a),c=(1);d=e`, `"br":[{"value":4200,"params":{"v":true}},{"value":800,"params":{"a":true}}],"c":{"value":[1],"params":{"d":"e"}}`},
		{"custom keys", `com.example-x="y",*a=1,a_b=2`, `"com.example-x":"y","*a":1,"a_b":2`},
		{"blanks around commas", "a=1 , b=2\t,\tc=3", `"a":1,"b":2,"c":3`},
		{"duplicate keys", `a=1,b=2,a=3`, `"b":2,"a":3`},
		{"duplicates at the beginning, within and at the end", `a="x,\"y",b=(1;p "}"),a=2,b=3,b=4`, `"a":2,"b":4`},
		{"the same key only", `a=1,a=2,a=3`, `"a":3`},
		{"duplicate parameters", `a=1;x=1;y;x=2`, `"a":{"value":1,"params":{"y":true,"x":2}}`},
		{"a key like that of a parameter", `a=1;b=2,b=3`, `"a":{"value":1,"params":{"b":2}},"b":3`},
		{"UTF-8", `cid="é日"`, `"cid":"é日"`},
		{"version 3", `v=3`, `"v":3`},
		{"over-long string", `cid="` + strings.Repeat("x", 65000) + `"`, `"cid":"` + strings.Repeat("x", 65000) + `"`},

		{"upper-case key", `BR=1`, `!0`},
		{"upper-case within a key", `bR=1`, `!1`},
		{"comma at the end", `a=1,`, `!4`},
		{"two commas", `a=1,,b=2`, `!4`},
		{"no value", `a=,b=1`, `!2`},
		{"blanks around =", `a = 1`, `!2`},
		{"blanks before =", `a =1`, `!2`},
		{"a semicolon between members", `a=1;b=2;C=3`, `!8`},
		{"16 digits", `a=1234567890123456`, `!18`},
		{"decimal of 13 digits", `a=1234567890123.1`, `!17`},
		{"four decimals", `a=1.2345`, `!8`},
		{"no decimals", `a=1.`, `!4`},
		{"minus only", `a=-`, `!3`},
		{"exponent", `a=1e5`, `!3`},
		{"open string", `a="x`, `!4`},
		{"escape in a string", `a="\n"`, `!4`},
		{"control character in a string", "a=\"\t\"", `!3`},
		{"NUL", "a=\"\x00\"", `!3`},
		{"open list", `a=(1 2`, `!6`},
		{"list with commas", `a=(1,2)`, `!4`},
		{"list in a list", `a=((1))`, `!3`},
		{"open byte sequence", `a=:aGk=`, `!7`},
		{"boolean without value", `a=?`, `!3`},
		{"JSON", `{"a":1}`, `!0`},
		{"CR within", "a=1\r,b=2", `!3`},
		{"invalid UTF-8", "a=\"\xff\"", `!utf8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			record := tt.record + "," + required
			if strings.HasPrefix(tt.want, "!") {
				record = tt.record // so that offsets at the end are seen
			}
			out, r, offset, err := Append([]byte("before"), []byte(record), most)
			if strings.HasPrefix(tt.want, "!") {
				got := fmt.Sprint("!", offset)
				if err == ErrUTF8 {
					got = "!utf8"
				}
				if string(out) != "before" || err == nil || err == ErrIncomplete || got != tt.want {
					t.Errorf("Append(%.60q) = %q, %v at %s; want it refused at %s", record, out, err, got, tt.want)
				}
				return
			}
			want := "before{" + tt.want + `,"e":"t","ts":1764752400000}`
			if err != nil || string(out) != want {
				t.Errorf("Append(%.60q) = %.200s, %v at %d; want %.200s", record, out, err, offset, want)
			}
			if !json.Valid(out[len("before"):]) {
				t.Errorf("%s is no JSON", out)
			}
			if (tt.name == "version 3") != r.Newer {
				t.Errorf("Append(%q) says that its version is %d", record, r.Version)
			}
		})
	}
}

func TestARecordNeedsEventAndTime(t *testing.T) {
	for _, record := range []string{`a=1`, `e=t`, `ts=1`, `a=1;e=t;ts=1`, `a=(e ts)`} {
		if _, _, _, err := Append(nil, []byte(record), most); !errors.Is(err, ErrIncomplete) {
			t.Errorf("Append(%s) = %v; want %v", record, err, ErrIncomplete)
		}
	}
}

func TestAppendTellsSessionAndSequence(t *testing.T) {
	for record, want := range map[string]string{
		`e=t,ts=1,sid="abc",sn=7,v=2`:          `"abc" 7 2`,
		`e=t,ts=1`:                             `"" -1 1`,
		`e=t,ts=1,sid=abc,sn="7"`:              `"" -1 1`,
		`e=t,ts=1,sid="a",sid="b",sn=1,sn=2`:   `"b" 2 1`,
		`e=t,ts=1,sid="a";x,sn=3;y`:            `"a" 3 1`,
		`e=t,ts=1,sid="",sn=-3,v=999999999999`: `"" -1 999999999999`,
	} {
		_, r, _, err := Append(nil, []byte(record), most)
		if got := fmt.Sprintf("%q %d %d", r.Session, r.Sequence, r.Version); err != nil || got != want {
			t.Errorf("Append(%s) tells %s, %v; want %s", record, got, err, want)
		}
	}
}

// A record becomes up to eight times as long, and may not become longer than it may be.
func TestARecordIsBoundedWhileItGrows(t *testing.T) {
	const required = `e=t,ts=1`
	for _, tt := range []struct {
		name, record string
		most         int
		want         error
	}{
		{"as long as may be", required, len(`{"e":"t","ts":1}`), nil},
		{"a byte longer", required, len(`{"e":"t","ts":1}`) - 1, ErrTooLarge},
		{"itself too long", required + strings.Repeat(" ", 100), 100, ErrTooLarge},
		{"a list of parameters", required + `,x=(` + strings.Repeat("1;b ", 10_000) + `)`, 64_000, ErrTooLarge},
		{"a list that is open, too", required + `,x=(` + strings.Repeat("1;b ", 10_000), 64_000, ErrTooLarge},
		{"parameters", required + `,x` + strings.Repeat(";b", 600), 2_400, ErrTooLarge},
		{"repeated keys", required + `,a="` + strings.Repeat("x", 4000) + `"` + strings.Repeat(",a", 1000), 14_000, nil},
	} {
		dst := make([]byte, 3, 1<<17)
		out, _, _, err := Append(dst, []byte(tt.record), tt.most)
		if err != tt.want || err != nil && len(out) != len(dst) {
			t.Errorf("%s: Append(%d bytes, %d) = %d bytes, %v; want %v", tt.name, len(tt.record), tt.most, len(out), err, tt.want)
		}
		if cap(out) != cap(dst) {
			t.Errorf("%s: Append(%d bytes, %d) took more room than there was", tt.name, len(tt.record), tt.most)
		}
	}
}

// More keys than are compared while the object is written, some of them repeated.
func TestRepeatedKeysAmongMany(t *testing.T) {
	var record, want strings.Builder
	record.WriteString(`e=t,ts=1`)
	want.WriteString(`{"e":"t","ts":1`)
	for k := range 300 {
		fmt.Fprintf(&record, `,k%d="%d,"`, k, k)
		if k%3 != 0 {
			fmt.Fprintf(&want, `,"k%d":"%d,"`, k, k)
		}
	}
	for k := 0; k < 300; k += 3 {
		fmt.Fprintf(&record, `,k%d=(1 2;p)`, k)
		fmt.Fprintf(&want, `,"k%d":[1,{"value":2,"params":{"p":true}}]`, k)
	}
	want.WriteByte('}')
	if out, _, _, err := Append(nil, []byte(record.String()), most); err != nil || string(out) != want.String() {
		t.Errorf("Append() = %s, %v; want %s", out, err, want.String())
	}
}

func TestAManyTimesRepeatedKeyIsCheap(t *testing.T) {
	// RFC 8941 asks for 1,024 members; more are refused, repeated or not.
	record := `e=t,ts=1` + strings.Repeat(`,a=1`, maxMembers-2)
	if out, _, _, err := Append(nil, []byte(record), most); err != nil || string(out) != `{"e":"t","ts":1,"a":1}` {
		t.Errorf("Append(%d members) = %.50s, %v", maxMembers, out, err)
	}
	if _, _, _, err := Append(nil, []byte(record+",a=1"), most); err != ErrSyntax {
		t.Errorf("Append(%d members) = %v; want %v", maxMembers+1, err, ErrSyntax)
	}
}

// FuzzAppend: whatever passes is one JSON object on one line, whose members are
// unique.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{
		`br=4200,e=t,sid="a\"b",sta=p,ts=1764752400000,v=2`, `e=t,ts=1,a=(1;x "y" z);q=:aGk=:`, `a=1,a=2,e=t,ts=1`,
		`e;a=1;a=2,ts=@5`, `e=?1,ts=-01.50,*x=tok/en`, `E=1`, `a="`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		out, _, offset, err := Append(nil, record, most)
		if err != nil {
			if len(out) > 0 || offset < 0 || offset > len(record) {
				t.Errorf("Append(%q) = %q, %d, %v", record, out, offset, err)
			}
			return
		}
		if !json.Valid(out) || !utf8.Valid(out) || strings.ContainsAny(string(out), "\r\n") {
			t.Fatalf("Append(%q) = %q, which is no JSON", record, out)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(out, &members); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"e", "ts"} {
			if members[key] == nil {
				t.Errorf("Append(%q) = %s has no %s", record, out, key)
			}
		}
		d := json.NewDecoder(strings.NewReader(string(out)))
		d.Token()
		n := 0
		for ; d.More(); n++ {
			var skip json.RawMessage
			d.Token()
			d.Decode(&skip)
		}
		if n != len(members) {
			t.Errorf("Append(%q) = %s has a member twice", record, out)
		}
	})
}

func note(l *Losses, sid string, sequence ...int64) {
	for _, n := range sequence {
		l.Note(Record{Session: []byte(sid), Sequence: n})
	}
}

func upTo(first, end int64) (list []int64) {
	for n := first; n < end; n++ {
		list = append(list, n)
	}
	return list
}

func TestLosses(t *testing.T) {
	for _, tt := range []struct {
		name           string
		sequence       []int64
		lost, repeated uint64
	}{
		{"none", upTo(0, 200), 0, 0},
		{"joined in the middle", upTo(500, 700), 0, 0},
		{"one", append(upTo(0, 10), upTo(11, 100)...), 1, 0},
		{"one, not yet sure", append(upTo(0, 10), upTo(11, 74)...), 0, 0},
		{"one, just sure", append(upTo(0, 10), upTo(11, 75)...), 1, 0},
		{"a late one", append(append(upTo(0, 10), upTo(11, 40)...), append([]int64{10}, upTo(40, 200)...)...), 0, 0},
		{"sent again", []int64{0, 1, 2, 1, 2, 3}, 0, 2},
		{"too late to tell", append(upTo(0, 200), 3), 0, 1},
		{"a large gap", []int64{0, 1000}, 1000 - 1 - 63, 0},
		{"a large gap and 63 later ones", append([]int64{0}, upTo(1000, 1064)...), 999, 0},
		{"nonsense", []int64{0, 1 << 40, 1<<40 + 1}, 0, 0},
		{"none has a number", []int64{-1, -1}, 0, 0},
	} {
		l := NewLosses()
		note(l, "a", tt.sequence...)
		if l.Lost() != tt.lost || l.Repeated() != tt.repeated {
			t.Errorf("%s: %d lost, %d repeated; want %d, %d", tt.name, l.Lost(), l.Repeated(), tt.lost, tt.repeated)
		}
	}
}

// What comes in any order within the window, some not at all, is counted exactly.
func TestLossesAreExactWithinTheWindow(t *testing.T) {
	for range 100 {
		l := NewLosses()
		var want uint64
		var sent []int64
		for n := range int64(1000) {
			if n > 0 && rand.IntN(10) == 0 {
				want++
				continue
			}
			sent = append(sent, n)
		}
		for i := 1; i+8 < len(sent); i += 8 {
			rand.Shuffle(8, func(a, b int) { sent[i+a], sent[i+b] = sent[i+b], sent[i+a] })
		}
		note(l, "a", sent...)
		note(l, "a", upTo(1000, 1100)...)
		if l.Lost() != want || l.Repeated() != 0 {
			t.Fatalf("%d lost, %d repeated; want %d, 0", l.Lost(), l.Repeated(), want)
		}
	}
}

func TestForgottenSessionsSettleWhatTheyLack(t *testing.T) {
	l := NewLosses()
	note(l, "a", 0, 2) // one is missing, and may still come
	for i := range buckets * perPlace * 4 {
		note(l, fmt.Sprint("other", i), 0, 1)
	}
	if l.Lost() != 1 || l.Repeated() != 0 {
		t.Errorf("%d lost, %d repeated; want 1, 0", l.Lost(), l.Repeated())
	}
}
