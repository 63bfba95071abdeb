package shrink

import (
	"maps"
	"slices"
	"testing"
)

func TestMapsThatBecomeSmallAreCopied(t *testing.T) {
	m, most := map[int]int{}, 0
	grow := func(n int) {
		for i := len(m); i < n; i++ {
			m[i] = i
			m = Map(m, &most)
		}
	}
	shrink := func(n int) {
		for i := len(m) - 1; i >= n; i-- {
			delete(m, i)
			m = Map(m, &most)
		}
	}
	want := func(n, peak int) {
		t.Helper()
		left := make(map[int]int, n)
		for i := range n {
			left[i] = i
		}
		if !maps.Equal(m, left) || most != peak {
			t.Errorf("%d entries, for which there is room for %d; want %d and %d", len(m), most, n, peak)
		}
	}
	grow(1000)
	shrink(300)
	want(300, 1000)
	shrink(200)
	want(200, 250)
	grow(400)
	want(400, 400)
	shrink(0)
	if m != nil {
		// What is small is left as it is.
		want(0, most)
	}
	if most > least {
		t.Errorf("there is room for %d; want %d at most", most, least)
	}
}

func TestSlicesThatBecomeSmallAreCopied(t *testing.T) {
	s := make([]int, 1000)
	for i := range s {
		s[i] = i
	}
	for _, tt := range []struct{ len, most int }{{1000, 1000}, {251, 1000}, {250, 250}, {10, 250}} {
		s = s[:tt.len:cap(s)]
		if s = Slice(s); cap(s) != tt.most && tt.len != 10 || !slices.IsSorted(s) || len(s) != tt.len {
			t.Errorf("%d entries have room for %d; want %d", len(s), cap(s), tt.most)
		}
	}
	if cap(s) > 64 {
		t.Errorf("10 entries have room for %d", cap(s))
	}
}
