package screens

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Random spans against an array that has the time of each index.
func TestSpansAreWhatWasPutLast(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const size = 40
		var s spans
		var want [size]time.Duration
		for step := range 30 {
			first := int32(r.IntN(size))
			end, at := first+int32(r.IntN(size-int(first)+1)), time.Duration(1+r.IntN(3))
			s.put(span{first, end, at})
			for i := first; i < end; i++ {
				want[i] = at
			}
			var got [size]time.Duration
			var before span
			for _, p := range s {
				if p.first >= p.end || p.first < before.end || p.first == before.end && p.at == before.at {
					t.Fatalf("step %d: %v; want spans in order, joined", step, s)
				}
				before = p
				for i := p.first; i < p.end; i++ {
					got[i] = p.at
				}
			}
			for i := range int32(size) {
				if s.has(i) != (want[i] != 0) {
					t.Fatalf("step %d: has(%d) = %v of %v", step, i, s.has(i), s)
				}
			}
			if got != want {
				t.Fatalf("step %d: %v; want %v", step, s, want)
			}
		}
	}
}
