package session

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// What is counted of stored events is what they take, however they are spelled.
func TestStoredEventsTakeNoMoreThanIsCounted(t *testing.T) {
	const events = 20_000
	live := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, practice := range []string{"p", strings.Repeat("P", 250), strings.Repeat("Ⱥ", 83)} {
		m := NewMemory(Options{MaxBytes: 1 << 30, MaxAbsentBytes: 1 << 30})
		before := live()
		for n := range events {
			text := stored(fmt.Sprint(practice, n), fmt.Sprint("u", n), Updating, "x").JSON()
			e, err := Decode(text) // as it comes, with strings of its own
			if err != nil {
				t.Fatal(err)
			}
			m.Put(e)
		}
		took, counted := (live()-before)/events, m.Stats().Bytes/events
		t.Logf("practice of %d bytes: %d bytes an event, %d counted", len(practice), took, counted)
		if took > counted+counted/20 { // it is counted about
			t.Errorf("an event in a practice of %d bytes takes %d bytes; %d are counted", len(practice), took, counted)
		}
	}
}
