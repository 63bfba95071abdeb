package session

import (
	"container/list"
	"context"
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
	closed   int       // sockets that the store still counts
	due      time.Time // the grace of the last of them ends
	place    *list.Element
	going    bool // the store is being told
}

// leavesAtOnce is how many users the store is told of at the same time. Each takes it
// some exchanges with Redis, which calls that are under way together share.
const leavesAtOnce = 32

// Join counts a socket of a user, here and in the store.
func (s *Service) Join(practice, user string) {
	who := s.member(practice, user)
	turn := s.turn(who)
	turn.Lock() // so that Logout finds the socket, or is over
	s.mu.Lock()
	st := s.stays[who]
	if st == nil {
		st = &stay{who: who, practice: practice, since: time.Now()}
		s.stays[who] = st
	}
	st.open++
	s.mu.Unlock()
	turn.Unlock()
	if elsewhere := s.ties.Load().store.Join(practice, user); elsewhere {
		s.mu.Lock()
		defer s.mu.Unlock()
		st.acted = true // as far as we know
	}
}

// Leave says that a socket of a user has closed. The store hears of it when the grace
// is over. A user who has come back in time has a socket more in the store, so that the
// old one is not its last.
//
// A user who is not here any more is logged out if it was active: if it submitted
// something while a socket was open, or had one open for as long as the grace. A socket
// that somebody opens and closes in the name of a user who has none ends nothing.
func (s *Service) Leave(practice, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stays[s.member(practice, user)]
	if st == nil || st.open == 0 {
		return
	}
	grace, now := max(s.options.Grace, 0), time.Now()
	st.open--
	st.closed++
	st.acted = st.acted || now.Sub(st.since) >= grace
	st.due = now.Add(grace)
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

func (s *Service) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Keep has nobody leave any more: at a shutdown users will be back, here or at another
// instance. Where they are not, the lease of this instance ends, and another one notices.
func (s *Service) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
	s.leaving.Init()
}

// Crowded reports whether more users are leaving than the store is told of in time.
// Those who come should be refused until then: each may leave, too.
func (s *Service) Crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving.Len() >= s.options.MaxLeaving
}

// acted notes that a user who is here did something.
func (s *Service) acted(who member, e Event) {
	if !e.Stored() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stays[who]; st != nil && st.open > 0 {
		st.acted = true
	}
}

// isHere reports whether the user has a socket.
func (s *Service) isHere(who member) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stays[who]
	return st != nil && st.open > 0
}

// leaver takes those whose grace is over, and lets them leave, some at the same time.
func (s *Service) leaver(ctx context.Context) {
	places := make(chan struct{}, leavesAtOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		st, wait := s.nextLeave(time.Now())
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
			s.leave(st)
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

// nextLeave takes the stay that is due, or says how long until one is; negative is for
// ever, or until woken.
func (s *Service) nextLeave(now time.Time) (*stay, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for el := s.leaving.Front(); el != nil; el = el.Next() {
		st := el.Value.(*stay)
		if wait := st.due.Sub(now); wait > 0 {
			return nil, wait
		}
		if st.going {
			continue // one at a time of a user; leave wakes us
		}
		s.leaving.Remove(el)
		st.place, st.going = nil, true
		return st, 0
	}
	return nil, -1
}

// leave reports closed sockets to the store, and logs the user out if none is left.
func (s *Service) leave(st *stay) {
	s.mu.Lock()
	n, keep := st.closed, !st.acted
	st.closed = 0
	kept := s.kept
	s.mu.Unlock()
	store, last := s.ties.Load().store, false
	for range n {
		if !kept {
			last = store.Leave(st.practice, st.who.user, keep) || last
		}
	}
	if last && !keep {
		s.Logout(st.practice, st.who.user)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.going = false
	switch {
	case st.open == 0 && st.closed == 0:
		delete(s.stays, st.who)
	case st.place != nil:
		s.wakeLocked()
	}
}
