package screens

import "math/bits"

// Marks are a bit for each event of a replay. Nil has none.
type marks []uint64

// newMarks are for n events.
func newMarks(n int) marks { return make(marks, (n+63)/64) }

func (m marks) size() int64 { return int64(8 * cap(m)) }

func (m marks) has(i int32) bool { return m != nil && m[i/64]>>(i%64)&1 != 0 }

func (m marks) set(i int32) { m[i/64] |= 1 << (i % 64) }

// setAll sets those from first to before end.
func (m marks) setAll(first, end int32) {
	for i := first; i < end; i++ {
		m.set(i)
	}
}

// all calls f with each that is set.
func (m marks) all(f func(i int32)) {
	for w, word := range m {
		for ; word != 0; word &= word - 1 {
			f(int32(64*w + bits.TrailingZeros64(word)))
		}
	}
}

// gaps calls f with what is not set, from first to before end.
func (m marks) gaps(first, end int32, f func(first, end int32)) {
	for i := first; i < end; i++ {
		if m.has(i) {
			if first < i {
				f(first, i)
			}
			first = i + 1
		}
	}
	if first < end {
		f(first, end)
	}
}
