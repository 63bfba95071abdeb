package consumer

import (
	"fmt"
	"testing"
)

func TestNoticesAreKnownByTheirLength(t *testing.T) {
	for _, tt := range []struct {
		told []uint64
		n    uint64
		want bool
	}{
		{[]uint64{7}, 7, true},
		{[]uint64{7}, 10, false},
		{[]uint64{7}, 0, false},
		{[]uint64{22056}, 22056, true},
		{[]uint64{22056}, 9999, false},
		{[]uint64{1, 2000, 35}, 2036, true},
		{[]uint64{1, 2000, 35}, 2, false},
		{[]uint64{10, 10}, 20, true},
		{nil, 1, false},
	} {
		size := 0
		for _, n := range tt.told {
			size += len(fmt.Sprintf(": skipped %d\n\n", n))
		}
		if got := notices(size, plainNotice, tt.n); got != tt.want {
			t.Errorf("notices(%d, %d) = %v for %v, want %v", size, tt.n, got, tt.told, tt.want)
		}
	}
}
