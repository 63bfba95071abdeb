package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// mustSelect makes a selection of where parameters, and of a sample "0.5 by path".
func mustSelect(t testing.TB, wheres ...string) *Select {
	t.Helper()
	var conditions []condition
	for _, w := range wheres {
		c, err := parseCondition(w)
		if err != nil {
			t.Fatalf("%s: %v", w, err)
		}
		conditions = append(conditions, c)
	}
	return newSelect(conditions, sample{}).build()
}

func TestConditions(t *testing.T) {
	event := `{"s":"v","esc":"a\"\u0062,\\","n":1,"f":-2.50,"big":1` + strings.Repeat("0", 400) + `,"t":true,"z":null,"e":"",` +
		`"o":{"p":{"q":"deep"}},"a":[{"x":1},"v"],"json":"{\"x\":1}","a.b":"dot","a b":"blank"," c":"edge","=":"op","日本":"語","\u0000":"nul",` +
		`"num":"1","dup":1,"dup":2,"o2":{"x":1},"o2":{"y":2},"spell\u0065d":"yes","time":"2026-11-28T17:00:00Z","sur":"\ud83d\ude00"}`
	for _, tt := range []struct {
		where string
		want  bool
	}{
		{`s`, true}, {`S`, false}, {`o`, true}, {`o.p.q`, true}, {`o.p.r`, false}, {`z`, true}, {`e`, true}, {`s.x`, false},
		{`s=v`, true}, {`s=V`, false}, {`s=`, false}, {`e=`, true}, {`s=a,v`, true}, {`s=a,b`, false}, {`s=,v`, true},
		{`s!=v`, false}, {`s!=a,b`, true}, {`s!=a,v`, false}, {`nothing!=v`, true}, {`o!=v`, true},
		{`esc=a"b\,\\`, true}, {`esc=a"b`, false}, {`esc^=a"b`, true}, {`esc^=a"c`, false}, {`esc=a\"\u0062`, false},
		{`n=1`, true}, {`n=1.0`, true}, {`n=1e0`, true}, {`n=10e-1`, true}, {`n=0.1E1`, true}, {`n=01`, false}, {`n=+1`, false}, {`n=2`, false},
		{`num=1`, true}, {`num=1.0`, false}, {`n<2`, true}, {`n<1`, false}, {`n<=1.0`, true}, {`n>0.999`, true}, {`n>=1`, true}, {`n>-5`, true}, {`n<a`, false},
		{`num<2`, false}, {`num<2a`, true}, {`f=-2.5`, true}, {`f<-2.4`, true}, {`f<-2.6`, false}, {`f>-25e-1`, false},
		{`big=1e400`, true}, {`big=1e401`, false}, {`big>1e399`, true}, {`big<1e400`, false}, {`big<1e99999999999999999999`, true}, {`big>-1e400`, true},
		{`t=true`, true}, {`t=false`, false}, {`t=TRUE`, false}, {`t^=t`, false}, {`t<z`, false}, {`z=null`, true}, {`z=0`, false},
		{`o=x`, false}, {`o.p={"q":"deep"}`, false}, {`a.x`, false}, {`a=v`, false}, {`a.0`, false}, {`json.x`, false}, {`json={"x":1}`, true},
		{`a\.b=dot`, true}, {`a.b=dot`, false}, {`a b=blank`, true}, {`\ c=edge`, true}, {`\==op`, true}, {`日本=語`, true}, {"\x00=nul", true},
		{`dup=2`, true}, {`dup=1`, false}, {`o2.y=2`, true}, {`o2.x`, false}, {`spelled=yes`, true},
		{`time>=2026-11-28`, true}, {`time<2026-11-28T17:00:00`, false}, {`s^=v`, true}, {`s^=vv`, false}, {`s=\=v`, false}, {"sur=\U0001F600", true},
		{`s=%76`, false}, {`%73`, false}, // percent-encoded twice: the text as it is
	} {
		t.Run(tt.where, func(t *testing.T) {
			s := mustSelect(t, tt.where)
			if got := s.Match([]byte(event)); got != tt.want {
				t.Errorf("Match = %v; want %v", got, tt.want)
			}
			var m Matcher
			id := m.Add(s)
			if got := slices.Contains(m.Match([]byte(event), nil), id); got != tt.want {
				t.Errorf("Matcher.Match = %v; want %v", got, tt.want)
			}
			if got, known := s.conditions[0].oracle(decode([]byte(event))); known && got != tt.want {
				t.Errorf("the oracle says %v; want %v", got, tt.want)
			}
			again := mustSelect(t, s.conditions[0].text)
			if again.text != s.text {
				t.Errorf("normalised %q, and again %q", s.text, again.text)
			}
		})
	}
}

func TestConditionsRefused(t *testing.T) {
	for _, tt := range []struct {
		where string
		want  error
	}{
		{``, errNoPath}, {`=v`, errNoPath}, {`.`, errEmptyName}, {`a..b`, errEmptyName}, {`a.=v`, errEmptyName}, {`.a`, errEmptyName},
		{`a==v`, errOperator}, {`a=~v`, errOperator}, {`a<>v`, errOperator}, {`a~v`, errOperator}, {`a!v`, errOperator}, {`a^v`, errOperator}, {`a!`, errOperator}, {`a=>v`, errOperator}, {`a!==v`, errOperator},
		{`a = v`, errBlank}, {` a=v`, errBlank}, {`a. b`, errBlank}, {`a,b=v`, errComma}, {`a,b`, errComma}, {`a\`, errBackslash}, {`a=\`, errBackslash},
		{`a<`, errNoValue}, {`a^=`, errNoValue}, {`a<1,2`, errOneValue}, {`a^=x,y`, errOneValue},
		{`a=` + strings.Repeat("x", maxValue+1), errLong}, {strings.Repeat("x", maxName+1), errLongName}, {`a<` + strings.Repeat("9", 400), errLong},
	} {
		if _, err := parseCondition(tt.where); err != tt.want {
			t.Errorf("parseCondition(%.40q) = %v; want %v", tt.where, err, tt.want)
		}
	}
}

func TestLongValuesAreComparedRight(t *testing.T) {
	most := strings.Repeat("x", maxValue)
	escaped := `"` + `\u0078` + most[1:] + `"`
	for _, tt := range []struct {
		value, where string
		want         bool
	}{
		{`"` + most + `"`, `a=` + most, true},
		{`"` + most + `x"`, `a=` + most, false},
		{escaped, `a=` + most, true},
		{escaped[:len(escaped)-1] + `x"`, `a=` + most, false},
		{escaped[:len(escaped)-1] + `x"`, `a^=` + most, true},
		{escaped[:len(escaped)-1] + `x"`, `a>` + most, true},
		{escaped[:len(escaped)-1] + `é"`, `a=` + most, false},
		{strings.Repeat("9", 400), `a=` + strings.Repeat("9", 256), false},
		{strings.Repeat("9", 400), `a>` + strings.Repeat("9", 256), true},
		{strings.Repeat("9", 128) + "." + strings.Repeat("9", 128), `a=` + strings.Repeat("9", 256) + `e-128`, false}, // the literal is too long
		{strings.Repeat("9", 128) + "." + strings.Repeat("9", 120), `a=` + strings.Repeat("9", 248) + `e-120`, true},
		{"9." + strings.Repeat("9", 255) + "e255", `a=` + strings.Repeat("9", 256), true}, // and the point
		{"0." + strings.Repeat("0", 300) + "1", `a=1e-301`, true},
		{"0." + strings.Repeat("0", 300) + "1", `a>1e-302`, true},
		{"-0", `a=0`, true}, {"0e5", `a=-0.0`, true}, {"1e999999999999999999999", `a>1e9`, true}, {"1e-999999999999999999999", `a<1e-9`, true},
	} {
		c, err := parseCondition(tt.where)
		if err != nil {
			if tt.want {
				t.Errorf("%.30s: %v", tt.where, err)
			}
			continue
		}
		s := newSelect([]condition{c}, sample{}).build()
		event := []byte(`{"a":` + tt.value + `}`)
		var m Matcher
		m.Add(s)
		if got, all := s.Match(event), len(m.Match(event, nil)) == 1; got != tt.want || all != tt.want {
			t.Errorf("%.40s… %.40s…: Match = %v, Matcher.Match = %v; want %v", tt.value, tt.where, got, all, tt.want)
		}
	}
}

func TestAllConditionsMustHold(t *testing.T) {
	event := []byte(`{"a":1,"b":"x","c":true}`)
	for _, tt := range []struct {
		wheres []string
		want   bool
	}{
		{[]string{"a=1", "b=x", "c=true"}, true},
		{[]string{"a=1", "b=y", "c=true"}, false},
		{[]string{"a=1", "a=2"}, false}, // contradictory: passes nothing
		{[]string{"a=1", "a=1,2", "a<5"}, true},
		{[]string{"a", "d"}, false},
	} {
		s := mustSelect(t, tt.wheres...)
		var m Matcher
		m.Add(s)
		if got, all := s.Match(event), len(m.Match(event, nil)) == 1; got != tt.want || all != tt.want {
			t.Errorf("%v: Match = %v, Matcher.Match = %v; want %v", tt.wheres, got, all, tt.want)
		}
	}
}

func TestSampleKeepsSessionsWholeAndItsShare(t *testing.T) {
	const sessions = 20_000
	for _, share := range []float64{0.02, 0.5, 1} {
		s := newSelect(nil, newSample(share, []string{"id"})).build()
		passed := 0
		for i := range sessions {
			id := fmt.Sprintf("session-%d", i)
			first := s.Match([]byte(`{"id":"` + id + `","n":1}`))
			if again := s.Match([]byte(`{"n":2,"id":"\u0073` + id[1:] + `"}`)); again != first {
				t.Fatalf("session %d is divided", i)
			}
			if first {
				passed++
			}
		}
		if got := float64(passed) / sessions; got < share*0.8 || got > share*1.2 {
			t.Errorf("sample=%v passes %v of the sessions", share, got)
		}
		if s.Match([]byte(`{"n":1}`)) {
			t.Errorf("sample=%v passes an event without the member", share)
		}
		whole := newSelect(nil, newSample(share, nil)).build()
		passed = 0
		for i := range sessions {
			if whole.Match(fmt.Appendf(nil, `{"n":%d}`, i)) {
				passed++
			}
		}
		if got := float64(passed) / sessions; got < share*0.8 || got > share*1.2 {
			t.Errorf("sample=%v passes %v of the events", share, got)
		}
	}
}

// The hash is part of what is promised: instances of different releases must pass
// the same sessions.
func TestSampleHashStays(t *testing.T) {
	for in, want := range map[string]uint64{
		"":                 0xd79b09574bb4eca3,
		"a":                0x844abc8094d5f4ef,
		"01234567":         0x8d24975085604d23,
		"session-9f1c1e4e": 0xb75144696fec1489,
	} {
		if got := hash([]byte(in)); got != want {
			t.Errorf("hash(%q) = %#x; want %#x", in, got, want)
		}
	}
}
