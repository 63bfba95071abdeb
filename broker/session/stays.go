package session

import (
	"container/list"
	"maps"
	"slices"
	"sync"
	"time"
)

// A stay is a user with sockets here, or within the grace period.
type stay struct {
	who      member
	practice string    // as the first of its sockets wrote it
	since    time.Time // when that one opened
	open     int       // sockets
	acted    bool      // who leaves is logged out; see Leave
	closed   int       // sockets in their grace, which the store still counts
	due      time.Time // the grace of the last of them ends
	place    *list.Element
	going    bool // the store is being told
	ended    int  // sockets that it is to be told of: their grace is over
}

// stays are the users with sockets here, and those within their grace.
type stays struct {
	// Fixed after newStays.
	grace time.Duration
	most  int           // that may be leaving before they are a crowd
	wake  chan struct{} // for run: there is somebody to look at

	mu      sync.Mutex // guards what follows; taken within a turn
	all     map[member]*stay
	leaving *list.List // of *stay with closed sockets, by when their grace ends
	kept    bool       // nobody leaves any more
}

func newStays(o ServiceOptions) *stays {
	return &stays{grace: max(o.Grace, 0), most: o.MaxLeaving, wake: make(chan struct{}, 1), all: make(map[member]*stay), leaving: list.New()}
}

// join counts a socket of a user. practice is as it was written.
func (s *stays) join(who member, practice string) *stay {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.all[who]
	if st == nil {
		st = &stay{who: who, practice: practice, since: time.Now()}
		s.all[who] = st
	}
	st.open++
	return st
}

// isElsewhere says that the user has sockets at another instance, too, or may have: it is active,
// as far as we know.
func (s *stays) isElsewhere(st *stay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.acted = true
}

// leave begins the grace of a socket that has closed.
func (s *stays) leave(who member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.all[who]
	if st == nil || st.open == 0 {
		return
	}
	now := time.Now()
	st.open--
	st.closed++
	st.acted = st.acted || now.Sub(st.since) >= s.grace
	st.due = now.Add(s.grace)
	switch {
	case s.kept:
		return
	case st.place == nil:
		st.place = s.leaving.PushBack(st)
	default:
		s.leaving.MoveToBack(st.place)
	}
	s.wakeLocked()
}

func (s *stays) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keep has nobody leave any more.
func (s *stays) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
	s.leaving.Init()
}

func (s *stays) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving.Len() >= s.most
}

// acted notes that a user who is here did something.
func (s *stays) acted(who member, e Event) {
	if !e.Stored() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[who]; st != nil && st.open > 0 {
		st.acted = true
	}
}

// isActive says that others may know the user, who is here or within the grace: whoever
// leaves then is logged out.
func (s *stays) isActive(who member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[who]; st != nil {
		st.acted = true
	}
}

// isHere reports whether the user has a socket.
func (s *stays) isHere(who member) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.all[who]
	return st != nil && st.open > 0
}

// practices are those of users who are here, in order.
func (s *stays) practices() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	here := make(map[string]struct{})
	for who, st := range s.all {
		if st.open > 0 {
			here[who.practice] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(here))
}

// gone is how many users have no socket any more.
func (s *stays) gone() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.all {
		if st.open == 0 {
			n++
		}
	}
	return n
}
