package view

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Shapes come and go, and of each batch the Shaper gives each what it gives by itself.
func TestShaperAgreesWithEachShape(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	members := []string{"a", "a.b", "a.b.c", "a.b,a.d", "d,a", "e.f.g,e.h", `e\.f`, "nothing", "nothing.a,a.nothing", "h,i,j,k"}
	events := []string{
		`{"a":{"b":{"c":1},"d":2},"d":3}`, `{"a":{"b":1},"a":{"d":2}}`, `{"a":1,"a":{"b":{"c":[1, 2]}}}`, `{"\u0061":{"b":"\u0062"},"e.f":1}`,
		`{}`, `[]`, `1`, `{"e":{"f":{"g":{}},"h":null},"h":1,"i":"","j":[],"k":{}}`, `{"e":{"f":{}},"a":{}}`, `{"nothing":{"a":1}}`,
	}
	var m Shaper
	live := map[*Shape]int{}
	for range 3000 {
		switch rng.IntN(3) {
		case 0:
			for s, uses := range live {
				if m.Remove(s); uses == 1 {
					delete(live, s)
				} else {
					live[s]--
				}
				break
			}
		case 1:
			if len(live) < 20 {
				s := mustShape(t, members[rng.IntN(len(members))])
				m.Add(s)
				live[s]++
			}
		default:
			for s := range live {
				m.Add(s)
				live[s]++
				break
			}
		}
		batch := make([]string, rng.IntN(5))
		m.Begin(len(batch))
		for i := range batch {
			batch[i] = events[rng.IntN(len(events))]
		}
		for s := range live {
			for i, event := range batch {
				if got, want := string(m.Append([]byte("x"), []byte(event), i, s)), string(s.Append([]byte("x"), []byte(event))); got != want {
					t.Fatalf("members=%s of %s: %s; want %s", s.text, event, got, want)
				}
			}
		}
	}
}

// A grant and a view that ask for 128 names each make a shape of more.
func TestAShapeThatWasNarrowedMayHaveManyMembers(t *testing.T) {
	grant, asked := "y", "x"
	for i := range 31 {
		grant += fmt.Sprintf(",x.p%d.q.r", i)
		asked += fmt.Sprintf(",y.p%d.q.r", i)
	}
	s := newShape(common(mustShape(t, asked).paths, mustShape(t, grant).paths)).build()
	if s.Members() <= maxNames {
		t.Fatalf("the shape has %d members; want more than %d, or this tries nothing", s.Members(), maxNames)
	}
	var m Shaper
	m.Add(s)
	m.Begin(2)
	for i, event := range []string{`{}`, `{"y":{"p30":{"q":{"r":1}}},"x":{"p30":{"q":{"r":2,"s":3}}},"z":4}`} {
		want := []string{`{}`, `{"x":{"p30":{"q":{"r":2}}},"y":{"p30":{"q":{"r":1}}}}`}[i]
		if got := string(m.Append(nil, []byte(event), i, s)); got != want {
			t.Errorf("together, of %s: %s; want %s", event, got, want)
		}
		if got := string(s.Append(nil, []byte(event))); got != want {
			t.Errorf("by itself, of %s: %s; want %s", event, got, want)
		}
	}
}

// Whoever opens and closes views all the time leaves nothing behind.
func TestAShaperForgetsMembers(t *testing.T) {
	var m Shaper
	stays := mustShape(t, "stays.b")
	m.Add(stays)
	for round := range 10 {
		var all []*Shape
		for i := range 400 {
			s := mustShape(t, fmt.Sprintf("a%d_%d.b,c%d", round, i, i))
			m.Add(s)
			all = append(all, s)
		}
		m.Begin(1)
		for _, s := range all {
			m.Remove(s)
		}
	}
	if n := m.tree.Size(); n > manyMembers || m.tree.Len() != 2 || len(m.shapes) != 1 {
		t.Errorf("a tree of %d for %d members of %d shapes; want at most %d, 2, 1", n, m.tree.Len(), len(m.shapes), manyMembers)
	}
	m.Begin(1)
	if got := string(m.Append(nil, []byte(`{"stays":{"a":1,"b":2}}`), 0, stays)); got != `{"stays":{"b":2}}` {
		t.Errorf("who stayed gets %s", got)
	}
	m.Begin(10 * manyValues)
	if m.Begin(1); cap(m.scans) > manyValues {
		t.Errorf("memory for %d events is kept; want %d at most", cap(m.scans), manyValues)
	}
}

func TestAShaperDoesNotAllocate(t *testing.T) {
	var m Shaper
	var all []*Shape
	for i := range 50 {
		s := mustShape(t, fmt.Sprintf("a%d,b.c%d", i, i))
		m.Add(s)
		all = append(all, s)
	}
	event := []byte(`{"a1":1,"b":{"c\u0031":2,"c2":3}}`)
	var out []byte
	if n := testing.AllocsPerRun(100, func() {
		m.Begin(2)
		for i := range 2 {
			for _, s := range all {
				out = m.Append(out[:0], event, i, s)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}

// What 64 views that want some members of an event take: each by itself, and together.
func BenchmarkShape(b *testing.B) {
	events := map[string]string{
		"player": fmt.Sprintf(playerEvent, sessionID(1)),
		"names":  "{" + strings.Repeat(`"\n":1,`, 36_000) + `"a":1}`,
	}
	for name, event := range events {
		var m Shaper
		var all []*Shape
		for i := range 64 {
			s := mustShape(b, fmt.Sprintf("event_name,data.position,z%d", i))
			m.Add(s)
			all = append(all, s)
		}
		event := []byte(event)
		var out []byte
		b.Run("event="+name+"/how=each", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range all {
					out = s.Append(out[:0], event)
				}
			}
		})
		b.Run("event="+name+"/how=together", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Begin(1)
				for _, s := range all {
					out = m.Append(out[:0], event, 0, s)
				}
			}
		})
	}
}
