package view

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Selections come and go, and after each step the Matcher says what each says by
// itself.
func TestMatcherAgreesWithEachSelection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	wheres := []string{"a=1", "a=1.0,2", "a!=1", "a", "b.c=x", "b.c=x,y", "b.c^=x", "a<2", "b", "d=true", "d=null", "b.c=1", `a=\,`}
	events := []string{
		`{"a":1}`, `{"a":"1"}`, `{"a":1.0,"b":{"c":"x"}}`, `{"a":2,"b":{"c":"\u0078"},"d":true}`, `{"b":{"c":1e0}}`, `{"b":{"c":"x"},"b":7}`,
		`{"d":"true","a":",","a":2.5}`, `[]`, `{"d":null,"b":{"c":"y"}}`, `{}`, `{"a":[1],"b":{"c":{"a":1}}}`,
	}
	var m Matcher
	live := map[int32]*Select{}
	for range 3000 {
		if len(live) > 0 && rng.IntN(3) == 0 {
			for id := range live {
				m.Remove(id)
				delete(live, id)
				break
			}
		} else if len(live) < 40 {
			var conditions []condition
			for range rng.IntN(4) {
				c, err := parseCondition(wheres[rng.IntN(len(wheres))])
				if err != nil {
					t.Fatal(err)
				}
				conditions = append(conditions, c)
			}
			smp := sample{}
			switch rng.IntN(4) {
			case 0:
				smp = newSample(0.5, []string{"a"})
			case 1:
				smp = newSample(0.5, nil)
			}
			s := newSelect(conditions, smp).build()
			if rng.IntN(20) == 0 {
				s = nil
			}
			id := m.Add(s)
			if _, taken := live[id]; taken {
				t.Fatalf("id %d was given twice", id)
			}
			live[id] = s
		}
		if m.Len() != len(live) {
			t.Fatalf("Len = %d; want %d", m.Len(), len(live))
		}
		event := []byte(events[rng.IntN(len(events))])
		got := m.Match(event, nil)
		var want []int32
		for id, s := range live {
			if s.Match(event) {
				want = append(want, id)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: Match = %v; want %v", event, got, want)
		}
	}
	for id := range live {
		m.Remove(id)
	}
	for i := range m.members {
		if len(m.members[i].texts)+len(m.members[i].numbers) > 0 {
			t.Errorf("after the last selection went, member %d has %v", i, m.members[i].texts)
		}
	}
	if len(m.general) > 0 {
		t.Errorf("after the last selection went, %v are left", m.general)
	}
}

func TestManySelectionsAreLookedUpAndNotTried(t *testing.T) {
	var m Matcher
	for i := range 1000 {
		m.Add(mustSelect(t, "event_name=ERROR", fmt.Sprintf("session_id=s%d", i)))
	}
	longest := 0
	for _, mem := range m.members {
		for _, list := range mem.texts {
			longest = max(longest, len(list))
		}
	}
	if longest > 1 || len(m.general) > 0 {
		t.Errorf("one value leads to %d selections, %d are tried for every event", longest, len(m.general))
	}
}

// Those who come and go with members of their own leave nothing behind, and events do not.
func TestAMatcherIsNoLargerThanItsSelections(t *testing.T) {
	var m Matcher
	for i := range 100 {
		conditions := mustSelect(t, fmt.Sprintf("a%d.b=x", i)).conditions
		id := m.Add(newSelect(conditions, newSample(1, []string{fmt.Sprintf("by%d", i)})).build())
		event := fmt.Appendf(nil, `{"a%d":{"b":"x"},"by%d":1}`, i, i)
		if got := m.Match(event, nil); !slices.Equal(got, []int32{id}) {
			t.Fatalf("%s: Match = %v; want %d", event, got, id)
		}
		for j := range m.members {
			if m.members[j].value.kind != missing {
				t.Fatalf("a member of %s is kept", event)
			}
		}
		m.Remove(id)
	}
	if len(m.members) > 3 || len(m.entries) > 1 {
		t.Errorf("%d members, %d entries when one selection at a time asks for 3; want 3, 1", len(m.members), len(m.entries))
	}
}

// Whoever opens and closes views all the time leaves nothing behind, neither members that
// nobody asks for any more nor the room for the values that they had.
func TestAMatcherForgetsMembers(t *testing.T) {
	var m Matcher
	values := strings.Repeat("1,", 31) + "1"
	for i := range 32 {
		values += fmt.Sprint(",", i)
	}
	stays := m.Add(mustSelect(t, "stays=1"))
	for round := range 20 {
		var ids []int32
		for i := range 300 {
			ids = append(ids, m.Add(mustSelect(t, fmt.Sprintf("a%d.b%d.c%d.d=%s", i, round, i, values))))
		}
		event := fmt.Appendf(nil, `{"a7":{"b%d":{"c7":{"d":31}}},"stays":1}`, round)
		got := m.Match(event, nil)
		slices.Sort(got)
		if want := []int32{stays, ids[7]}; !slices.Equal(got, want) {
			t.Fatalf("%s: Match = %v; want %v", event, got, want)
		}
		for _, id := range ids {
			m.Remove(id)
		}
	}
	if got := m.Match([]byte(`{"stays":1}`), nil); !slices.Equal(got, []int32{stays}) {
		t.Errorf("Match = %v; want %d, which was there before", got, stays)
	}
	if len(m.members) > manyMembers {
		t.Errorf("%d members are kept for one; want %d at most", len(m.members), manyMembers)
	}
	maps := 0
	for i := range m.members {
		if m.members[i].texts != nil || m.members[i].numbers != nil {
			maps++
		}
	}
	if maps != 1 {
		t.Errorf("%d members have values that somebody waits for; want 1", maps)
	}
}

// FuzzMatch compares Match, Matcher.Match and decoding.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"a":1}`, "a=1", "a<2"}, {`{"a":{"b":"\u0078y"}}`, "a.b=xy,z", "a.b^=x"}, {`{"a":{"b":1},"a":{}}`, "a.b", "a!=1"},
		{`{"a.b":1e2}`, `a\.b=100`, `a\.b>=99.9`}, {`{"\ud800":null}`, "a=null", "\uFFFD"}, {`{"a":"","b":true}`, "a=", "b=true,false"},
		{`{"a":-0.00120e+3}`, "a=-1.2", "a>-1.3"}, {`{"a":123456789012345678901234567890}`, "a>123456789012345678901234567889.5", "a<1e30"},
	} {
		f.Add([]byte(seed[0]), seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, event []byte, one, two string) {
		var conditions []condition
		for _, w := range []string{one, two} {
			c, err := parseCondition(w)
			if err != nil || len(c.path) > 16 {
				return
			}
			conditions = append(conditions, c)
			if again, err := parseCondition(c.text); err != nil || again.text != c.text || !slices.Equal(again.path, c.path) {
				t.Errorf("%q is normalised to %q, and that to %q, %v", w, c.text, again.text, err)
			}
		}
		selects := []*Select{
			newSelect(conditions, sample{}).build(), newSelect(conditions[:1], sample{}).build(), newSelect(conditions[1:], sample{}).build(),
			newSelect(nil, newSample(0.5, conditions[0].path)).build(), newSelect(nil, newSample(0.5, nil)).build(),
		}
		var m Matcher
		for _, s := range selects {
			m.Add(s)
		}
		all := m.Match(event, nil)
		isJSON := json.Valid(event) // all that is published is; of what is not, nothing is said
		valid := isJSON && utf8.Valid(event) && utf8.ValidString(one) && utf8.ValidString(two)
		v := decode(event)
		for id, s := range selects {
			got := s.Match(event)
			if among := slices.Contains(all, int32(id)); isJSON && among != got {
				t.Errorf("%q, %q: Match = %v, Matcher.Match = %v", event, s.text, got, among)
			}
			if !valid || len(s.conditions) == 0 {
				continue
			}
			want, known := true, true
			for i := range s.conditions {
				holds, sure := s.conditions[i].oracle(v)
				want, known = want && holds, known && sure
			}
			if known && got != want {
				t.Errorf("%q, %q: Match = %v; want %v", event, s.text, got, want)
			}
		}
	})
}

const playerEvent = `{"event_name":"HEARTBEAT","timestamp":1764752400000,"version":1,"session_id":"%s","data":{"player":{"platform":"Web","version":"7.2.1","name":"Pillarbox"},` +
	`"position":12345,"duration":5400000,"buffer":{"duration":29.75},"bandwidth":8123456,"bitrate":4200000,"stall":{"count":0,"duration":0},` +
	`"frame_drops":3,"volume":0.8,"qoe":{"total":{"asset":340,"metadata":120,"media_source":512}},"screen":{"width":1920,"height":1080},` +
	`"media":{"id":"urn:rts:video:12345678","metadata_url":"https://il.example/integrationlayer/2.1/mediaComposition/byUrn/urn"},"os":{"name":"macOS","version":"14.5"}}}`

func sessionID(i int) string { return fmt.Sprintf("9f1c1e4e-5a0a-4a4c-a6a7-%012d", i) }

func BenchmarkMatch(b *testing.B) {
	views := map[string]func(i int) []string{
		"session": func(i int) []string { return []string{"session_id=" + sessionID(i)} },
		"errors":  func(i int) []string { return []string{"event_name=ERROR", "session_id=" + sessionID(i)} },
		"general": func(i int) []string {
			return []string{fmt.Sprintf("data.position>%d", i*100), "data.player.platform^=W"}
		},
	}
	for _, bb := range []struct {
		kind  string
		views int
	}{{"session", 1}, {"session", 1000}, {"errors", 1000}, {"general", 64}, {"sample", 1}} {
		b.Run(fmt.Sprintf("kind=%s/views=%d", bb.kind, bb.views), func(b *testing.B) {
			var m Matcher
			for i := range bb.views {
				if bb.kind == "sample" { // as the console asks for it
					m.Add(newSelect(nil, newSample(0.002, nil)).build())
					continue
				}
				m.Add(mustSelect(b, views[bb.kind](i)...))
			}
			event := fmt.Appendf(nil, playerEvent, sessionID(bb.views/2))
			dst := make([]int32, 0, 1024)
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				dst = m.Match(event, dst[:0])
			}
			b.ReportMetric(float64(len(dst)), "passed")
		})
	}
	// Of a member that fills an event.
	for _, bb := range []struct{ kind, value string }{{"text", `"%s"`}, {"number", "%s"}, {"array", `["%s"]`}} {
		b.Run(fmt.Sprintf("kind=long-%s/views=256", bb.kind), func(b *testing.B) {
			var m Matcher
			for i := range 256 {
				m.Add(mustSelect(b, fmt.Sprintf("m>=%d", i), "m<x", fmt.Sprintf("m^=x%d", i)))
				m.Add(newSelect(nil, newSample(1/float64(i+2), []string{"m"})).build())
			}
			event := fmt.Appendf(nil, `{"m":`+bb.value+`}`, strings.Repeat("7", 250_000))
			dst := make([]int32, 0, 1024)
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				dst = m.Match(event, dst[:0])
			}
		})
	}
	b.Run("kind=alone/views=1", func(b *testing.B) {
		s := mustSelect(b, "session_id="+sessionID(1))
		event := fmt.Appendf(nil, playerEvent, sessionID(1))
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			s.Match(event)
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var m Matcher
	for i := range 100 {
		m.Add(mustSelect(t, fmt.Sprintf("session_id=%d", i), "data.x>=1"))
		m.Add(mustSelect(t, "data.text^=a"))
	}
	m.Add(newSelect(nil, newSample(0.5, []string{"data", "text"})).build())
	s := mustSelect(t, `data.text=a"b`, "data.x=1.50")
	shape := newShape([][]string{{"data", "text"}, {"session_id"}}).build()
	event := []byte(`{"session_id":7,"d\u0061ta":{"text":"a\"b","x":1.5}}`)
	path := newPath([]string{"data", "x"})
	var dst []int32
	var out []byte
	if n := testing.AllocsPerRun(100, func() {
		dst = m.Match(event, dst[:0])
		if !s.Match(event) || len(dst) < 101 {
			t.Fatal("passed over", dst)
		}
		out = shape.Append(out[:0], event)
		if _, ok := path.Find(event); !ok {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
	if want := `{"data":{"text":"a\"b"},"session_id":7}`; string(out) != want {
		t.Errorf("Append = %s; want %s", out, want)
	}
}

// A member may be as long as an event. No condition or sample copies it, whatever it is.
func TestLongMembersAreNotCopied(t *testing.T) {
	long := strings.Repeat("7", 250_000)
	for kind, value := range map[string]string{
		"text": `"` + long + `"`, "escaped": `"\u0037` + long + `"`, "number": long, "fraction": "0." + long,
		"array": `["` + long + `"]`, "object": `{"a":"` + long + `"}`,
	} {
		event := []byte(`{"m":` + value + `}`)
		for _, where := range []string{"m", "m=8", "m=7,x", "m!=8", "m!=7", "m^=8", "m^=7", "m<8", "m<x", "m<=8", "m<=x", "m>8", "m>x", "m>=8", "m>=x", "m>=777", "m<777y"} {
			s := mustSelect(t, where)
			var m Matcher
			m.Add(s)
			m.Add(newSelect(nil, newSample(0.5, []string{"m"})).build())
			var dst []int32
			if n := testing.AllocsPerRun(10, func() {
				dst = m.Match(event, dst[:0])
				s.Match(event)
			}); n != 0 {
				t.Errorf("%s of %s: %v allocations per event", where, kind, n)
			}
		}
	}
}

// The picture in the package comment.
func TestPackageComment(t *testing.T) {
	var m Matcher
	one := m.Add(mustSelect(t, "session_id=s1"))
	two := m.Add(mustSelect(t, "session_id=s2", "event_name=ERROR"))
	three := m.Add(mustSelect(t, "data.position>10"))
	if e := m.entries[two]; !slices.Equal(e.sel.conditions[e.key].path, []string{"session_id"}) || !slices.Equal(m.general, []int32{three}) {
		t.Errorf("2 is looked up by %v, tried are %v; want session_id and 3", e.sel.conditions[e.key].path, m.general)
	}
	for event, want := range map[string][]int32{
		`{"session_id":"s1"}`:                                              {one},
		`{"session_id":"s2"}`:                                              nil,
		`{"session_id":"s2","event_name":"ERROR"}`:                         {two},
		`{"session_id":"s9","data":{"position":11}}`:                       {three},
		`{"event_name":"ERROR","session_id":"s2","data":{"position":1e9}}`: {two, three},
	} {
		got := m.Match([]byte(event), nil)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", event, got, want)
		}
	}
}

// A path that somebody still names keeps no memory of the values that others waited for.
func TestMatcherForgetsValuesThatNobodyWaitsFor(t *testing.T) {
	var m Matcher
	m.Add(mustSelect(t, "a=stays,0"))
	var ids []int32
	for i := range 100 {
		var values []string
		for k := range 60 {
			values = append(values, fmt.Sprint(i*60+k), fmt.Sprint("t", k))
		}
		ids = append(ids, m.Add(mustSelect(t, "a="+strings.Join(values[:64], ","))))
	}
	for _, id := range ids {
		m.Remove(id)
	}
	for i := range m.members {
		if mem := &m.members[i]; max(mem.most[0], mem.most[1]) > 64 || len(mem.texts) > 2 {
			t.Errorf("there is room for %d texts and %d numbers, of which %d and %d are left", mem.most[0], mem.most[1], len(mem.texts), len(mem.numbers))
		}
	}
	for _, tt := range []struct {
		event string
		want  int
	}{{`{"a":"stays"}`, 1}, {`{"a":0}`, 1}, {`{"a":"t1"}`, 0}, {`{"a":61}`, 0}} {
		if got := m.Match([]byte(tt.event), nil); len(got) != tt.want {
			t.Errorf("%s passes %d selections; want %d", tt.event, len(got), tt.want)
		}
	}
}
