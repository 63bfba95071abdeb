package session

import (
	"context"
	"sync"
	"time"
)

// leavesAtOnce is how many users the store is told of at the same time. Each takes it
// some exchanges with Redis, which calls that are under way together share.
const leavesAtOnce = 32

// run takes those whose grace is over, and has them leave, some at the same time.
func (s *stays) run(ctx context.Context, leave func(*stay)) {
	places := make(chan struct{}, leavesAtOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		st, wait := s.next(time.Now())
		if st == nil {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			case <-after(wait):
			}
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			leave(st)
		})
	}
}

// after is time.After, and never if there is nothing to wait for.
func after(wait time.Duration) <-chan time.Time {
	if wait < 0 {
		return nil
	}
	return time.After(wait)
}

// next takes the stay that is due, with the sockets whose grace is over, or says how long until
// one is; negative is for ever, or until woken. A socket that closes from then on has a grace of
// its own, and the stay a place among those who leave, until next takes it again.
func (s *stays) next(now time.Time) (*stay, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for el := s.leaving.Front(); el != nil; el = el.Next() {
		st := el.Value.(*stay)
		if wait := st.due.Sub(now); wait > 0 {
			return nil, wait
		}
		if st.going {
			continue // one at a time of a user; left wakes us
		}
		s.leaving.Remove(el)
		st.place, st.going = nil, true
		st.ended, st.closed = st.closed, 0
		return st, 0
	}
	return nil, -1
}

// ended is how many sockets the store is to be told of; none if nobody leaves any more.
func (s *stays) ended(st *stay) (n int, acted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, st.ended = st.ended, 0
	if s.kept {
		n = 0
	}
	return n, st.acted
}

// hasActed reports whether the user is logged out when it leaves.
func (s *stays) hasActed(st *stay) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.acted
}

// left ends what next began: the store has been told.
func (s *stays) left(st *stay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.going = false
	switch {
	case st.open == 0 && st.closed == 0:
		delete(s.all, st.who)
	case st.place != nil:
		s.wakeLocked()
	}
}

// leave tells the store of closed sockets, and logs the user out if none is left.
func (s *Service) leave(st *stay) {
	n, acted := s.stays.ended(st)
	store, last := s.ties.Load().store, false
	for range n {
		last = store.Leave(st.practice, st.who.user, !acted) || last
	}
	if last && s.stays.hasActed(st) { // as far as is known now
		s.Logout(st.practice, st.who.user)
	}
	s.stays.left(st)
}
