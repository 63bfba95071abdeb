package session

import (
	"fmt"
	"slices"
)

// A recent is events within a bound of bytes: beyond it the oldest are left out.
type recent struct {
	most   int
	events []Event
	bytes  int
	left   int // bytes that were left out
}

// add appends events. It lets them exceed the bound by an eighth before it cuts, so that one
// sort serves many calls.
func (r *recent) add(events []Event) {
	for i := range events {
		r.bytes += events[i].size()
	}
	r.events = append(r.events, events...)
	if r.bytes > r.most+r.most/8 {
		r.cut()
	}
}

// cut drops the oldest events until the rest fits, and leaves the rest sorted by age.
func (r *recent) cut() {
	sortByAge(r.events)
	n := 0
	for ; r.bytes > r.most; n++ {
		size := r.events[n].size()
		r.bytes -= size
		r.left += size
	}
	r.events = slices.Delete(r.events, 0, n)
}

// err is nil if nothing was left out.
func (r *recent) err() error {
	if r.left == 0 {
		return nil
	}
	return fmt.Errorf("%w: about %d bytes", errTooMuch, r.left)
}
