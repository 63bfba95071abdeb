package screens

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Random marks against an array.
func TestMarksAreWhatWasSet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		size := int32(1 + r.IntN(200))
		m, want := newMarks(int(size)), make([]bool, size)
		for range r.IntN(10) {
			first := r.Int32N(size)
			end := min(size, first+r.Int32N(20))
			m.setAll(first, end)
			for i := first; i < end; i++ {
				want[i] = true
			}
		}
		from, to := r.Int32N(size), r.Int32N(size)
		var set, wantSet, gaps, wantGaps []int32
		m.all(func(i int32) { set = append(set, i) })
		m.gaps(from, to, func(first, end int32) {
			if first >= end {
				t.Errorf("a gap from %d to %d", first, end)
			}
			for i := first; i < end; i++ {
				gaps = append(gaps, i)
			}
		})
		for i := range size {
			if m.has(i) {
				wantSet = append(wantSet, i)
			}
			if m.has(i) != want[i] {
				t.Fatalf("has(%d) = %v of %d", i, m.has(i), size)
			}
			if !want[i] && from <= i && i < to {
				wantGaps = append(wantGaps, i)
			}
		}
		if !slices.Equal(set, wantSet) || !slices.Equal(gaps, wantGaps) {
			t.Fatalf("set %v, gaps from %d to %d %v; want %v, %v", set, from, to, gaps, wantSet, wantGaps)
		}
	}
	if marks(nil).has(3) || marks(nil).size() != 0 {
		t.Error("no marks have one, or a size")
	}
}
