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

// dueLocked reports whether a frame is sent now: it is not if the replay had it, nor
// if it looks older than what the replay had.
func (s *socket) dueLocked(f *frame, now time.Time) bool {
	i, ok := s.replayed.find(f.slot)
	if !ok || !s.replayed.has(i, s.user.name) {
		return true
	}
	r := s.replayed.events[i]
	_, passed := s.replayed.passed[i]
	switch {
	case r.id == f.id:
		s.hub.counters.duplicates.Add(1)
		s.replayed.early = slices.DeleteFunc(s.replayed.early, func(e early) bool {
			if e.index == i {
				s.hub.counters.duplicates.Add(1)
				e.release()
			}
			return e.index == i
		})
		return false
	case f.at < r.at && !passed:
		if len(s.replayed.early) == maxEarly || s.queue.bytes+s.replayed.held()+f.size > maxQueueBytes {
			s.showLocked(func(early) bool { return true })
		}
		s.replayed.early = append(s.replayed.early, early{f.share(), i, now})
		return false
	}
	s.showLocked(func(e early) bool { return e.index == i })
	s.replayed.pass(i)
	return true
}

// showLocked sends those early events of which it is true.
func (s *socket) showLocked(these func(early) bool) {
	s.replayed.early = slices.DeleteFunc(s.replayed.early, func(e early) bool {
		if !these(e) {
			return false
		}
		s.replayed.pass(e.index)
		s.skipLocked(s.queue.put(e.frame))
		e.release()
		return true
	})
}
