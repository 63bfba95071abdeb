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

// add lets the bytes grow a little further than they may, so that cut is called for many
// at once.
func (r *recent) add(events []Event) {
	for i := range events {
		r.bytes += events[i].size()
	}
	r.events = append(r.events, events...)
	if r.bytes > r.most+r.most/8 {
		r.cut()
	}
}

// cut leaves the oldest out, and those that stay in order.
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
