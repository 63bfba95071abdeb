package screens

import (
	"slices"
	"time"
)

const (
	// doubt is how long what looks older than the replay waits.
	doubt = time.Second
	// maxEarly is how many events of a socket wait so at most: all that came
	// before the replay was read may have been overtaken by it.
	maxEarly = maxQueue
	// earlyBytes is the place of an early event, about, with as much that is free.
	earlyBytes = 80
)

// An early event looks older than what was replayed in its place. Either it is: it
// was overtaken by the reading of the store, and the replayed one is on its way
// behind it; then neither is sent. Or another instance, with another clock, says
// when it was; then nothing comes behind it, and it is sent when doubt is over.
type early struct {
	*frame
	index int32 // of the replayed event
	since time.Time
}

// drop gives its place and its reference back.
func (e early) drop() {
	e.place(-earlyBytes)
	e.release()
}

// due reports whether a frame is sent now: it is not if the replay had it, nor
// if it looks older than what the replay had.
func (l *backlog) due(f *frame, now time.Time) bool {
	i, ok := l.replayed.find(f.slot)
	if !ok || !l.replayed.has(i, l.user.name) {
		return true
	}
	r := l.replayed.events[i]
	switch {
	case r.id == f.id:
		l.counters.duplicates.Add(1)
		l.replayed.early = slices.DeleteFunc(l.replayed.early, func(e early) bool {
			if e.index == i {
				l.counters.duplicates.Add(1)
				e.drop()
			}
			return e.index == i
		})
		return false
	case f.at < r.at && !l.replayed.passed.has(i):
		if len(l.replayed.early) == maxEarly || l.queue.bytes+l.replayed.held()+f.size > maxQueueBytes {
			l.show(func(early) bool { return true })
		}
		l.replayed.early = append(l.replayed.early, early{f.share(), i, now})
		f.place(earlyBytes)
		return false
	}
	l.show(func(e early) bool { return e.index == i })
	l.replayed.pass(i)
	return true
}

// show sends those early events of which it is true.
func (l *backlog) show(these func(early) bool) {
	l.replayed.early = slices.DeleteFunc(l.replayed.early, func(e early) bool {
		if !these(e) {
			return false
		}
		l.replayed.pass(e.index)
		l.skip(l.queue.put(e.frame))
		e.drop()
		return true
	})
}
