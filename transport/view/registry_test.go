package view

import (
	"fmt"
	"runtime/debug"
	"testing"
)

// What the last stream of a view had is out of the way at once, without a collection of garbage; what
// other streams have stays.
func TestViewsGoWithTheirLastStream(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const most = 10
	b, r := newBroker(t), NewRegistry(Options{MaxDistinct: most, MaxGeneral: most})
	intern := func(query string) View {
		t.Helper()
		v, _, err := r.Parse(b, args(query))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return v
	}
	for _, query := range []string{"where=n=%d&where=m>%d", "where=n>%d", "members=m%d", "every=1s&latest=m%d"} {
		of := func(n int) View {
			if query == "where=n=%d&where=m>%d" {
				return intern(fmt.Sprintf(query, n, n))
			}
			return intern(fmt.Sprintf(query, n))
		}
		kept := of(-1)
		r.Use(kept)
		r.Use(kept)
		r.Unuse(kept)
		for n := range 5 * most {
			v := of(n)
			r.Use(v)
			r.Unuse(v)
		}
		if again := of(-1); again != kept {
			t.Errorf("%s: a view that a stream has became another one", query)
		}
		r.Unuse(kept)
		if n := r.InUse(); n != (InUse{}) {
			t.Errorf("%s: %+v are in use when no stream is there", query, n)
		}
	}

	// Who was told of a value before it went has it still, and may be counted later.
	early := intern("where=a=1")
	first := intern("where=a=1")
	r.Use(first)
	r.Unuse(first)
	r.Use(early)
	if again := intern("where=a=1"); again != early {
		t.Error("two streams with one view have two")
	}
	r.Unuse(early)
	late := intern("where=a=1&where=b>1")
	r.Use(late)
	r.Unuse(late)
	other := intern("where=a=1&where=b>1")
	r.Use(other)
	r.Use(late) // is not the one that is there
	r.Unuse(late)
	if n := r.InUse(); n.Selects != 1 || n.Further != 1 {
		t.Errorf("%+v are in use; want the one that is there", n)
	}
}
