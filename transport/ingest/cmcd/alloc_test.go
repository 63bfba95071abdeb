//go:build !race

package cmcd

import "testing"

func TestNothingAllocates(t *testing.T) {
	l := NewLosses()
	out := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		_, r, _, err := Append(out, report, most)
		if err != nil {
			t.Fatal(err)
		}
		l.Note(r)
	}); n != 0 {
		t.Errorf("a record allocates %v times", n)
	}
}
