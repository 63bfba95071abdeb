package session

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"event-dispatcher/broker/redis"
)

// attendance is who has sockets here, as the server is to know it: it joins and leaves, and
// takes over the members of instances that died.
type attendance struct {
	*leases
	reads  *reads
	writes *writes
	seed   maphash.Seed

	// A member's Join and Leave reach the server in the order of the counts.
	serial [redis.ReservedCalls]line

	mu        sync.Mutex           // guards what follows
	left      map[member]departure // gone from here, but the server has not confirmed it
	leftBytes int
	unread    map[member]struct{} // here, but what the server has of them is not adopted
}

func newAttendance(l *leases, r *reads, w *writes) *attendance {
	return &attendance{leases: l, reads: r, writes: w, seed: maphash.MakeSeed(), left: make(map[member]departure), unread: make(map[member]struct{})}
}

// join counts a socket; see [Store].
func (s *attendance) join(practice, user string) (elsewhere bool) {
	who := s.practices.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if s.mirror.join(who, practice) {
		elsewhere = s.renew(redis.ForMembers, []member{who}) // if it fails, keepLeases repeats it
		s.adopt(who)
	}
	return elsewhere
}

// leave counts one less.
func (s *attendance) leave(practice, user string, keep bool) bool {
	who := s.practices.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	d := departure{who, s.mirror.written(who), keep}
	if !s.mirror.leave(who) {
		return false
	}
	s.noteUnread(who, false)
	return s.end(d)
}

// A departure is of a member without sockets here.
type departure struct {
	member
	practice string // as it was written
	keep     bool   // what is stored
}

// end reports whether it is certain that the member has no socket anywhere, or sees to
// it that endAgain asks later. With the member's lock held.
func (s *attendance) end(d departure) (last bool) {
	last, err := s.depart(d)
	if err != nil {
		s.noteLeft(d)
	}
	return last
}

// depart tells the server that the member has no socket here, and removes the member if
// that was the last. In its steps,
//
//  1. our lease stands until all else is done, so that after any failure this instance,
//     or another one when the lease is over, can do it again;
//  2. only events that existed before the lease ended are deleted, so that nothing is
//     lost of a member who comes back meanwhile;
//  3. the lease is ended last, and who finds no other then is the only one to know;
//  4. what is kept is in the budget of this instance from then on, whoever stored it and
//     gave it up while the lease stood.
//
// With the member's lock held.
func (s *attendance) depart(d departure) (last bool, err error) {
	events, marks, err := s.stored(d)
	if err == nil {
		last, err = s.finish(d, events, marks)
	}
	var kept []Event
	if last && d.keep {
		kept = events
	}
	s.writes.unstoreNow(s.mirror.own(kept)) // in any case: fewer members have sockets here
	if err != nil && err != errEarly {
		s.failed("remove a user", s.keys.all("*"), err)
	}
	return last, err
}

// finish is depart, behind the look at what is stored.
func (s *attendance) finish(d departure, events []Event, marks []string) (last bool, err error) {
	claimed, err := s.claim(d)
	if claimed {
		if err = s.remove(d.member, marks); err == nil {
			last, err = s.endLease(d.member, d.keep)
		}
	}
	if last && !d.keep {
		s.mirror.forget(events)
		s.writes.unstoreUnseen(events, marks)
	}
	return last, err
}

// stored is the events of a member who departs, and the marks of those to be deleted.
// If they are to be kept, it is also what only the server has.
func (s *attendance) stored(d departure) (events []Event, marks []string, err error) {
	events = s.mirror.of(d.member)
	marks, err = s.marks(d.member)
	if err != nil || !d.keep {
		return events, marks, err
	}
	known := func(mark string) bool {
		return mark == "" || slices.ContainsFunc(events, func(e Event) bool { return markOf(e.JSON()) == mark })
	}
	for _, mark := range marks {
		if !known(mark) {
			err := s.reads.parts(context.Background(), []member{d.member}, 1, func(_ []member, theirs []Event) {
				events = append(events, theirs...)
			})
			return events, nil, err
		}
	}
	return events, nil, nil
}

func (s *attendance) lockOf(who member) *line { return &s.serial[s.placeOf(who)] }

func (s *attendance) placeOf(who member) int {
	return int(maphash.Comparable(s.seed, who) % uint64(len(s.serial)))
}

// keepLeases repeats this instance's word for its users before it runs out. It has
// a goroutine of its own: what maintain does may take longer than a lease.
func (s *attendance) keepLeases(ctx context.Context) {
	tick := time.NewTicker(s.options.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.renewAll(ctx)
		}
	}
}

// renewAll takes the members by their locks, so that none leaves under its hands.
func (s *attendance) renewAll(ctx context.Context) {
	places := make([][]member, len(s.serial))
	for _, who := range s.mirror.here() {
		k := s.placeOf(who)
		places[k] = append(places[k], who)
	}
	each(ctx, s.guard, places, func(all []member) {
		if len(all) == 0 {
			return
		}
		lock := s.lockOf(all[0])
		lock.LockFirst() // thousands may be coming and going
		defer lock.Unlock()
		all = slices.DeleteFunc(all, func(who member) bool { return !s.mirror.isHere(who) })
		for some := range slices.Chunk(all, batch) {
			s.renew(redis.ForRenewals, some)
		}
	})
}

func (d departure) size() int { return waitingSize(d.member.practice, d.user, d.practice) }

// noteLeft has endAgain ask the server about the member. Beyond a bound the lease runs out
// instead.
func (s *attendance) noteLeft(d departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(d.member)
	if len(s.left) < s.options.MaxEvents && s.leftBytes+d.size() <= waitingBytes {
		s.left[d.member] = d
		s.leftBytes += d.size()
	}
}

// forgetLeft says that nobody need ask for the member again.
func (s *attendance) forgetLeft(who member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(who)
}

func (s *attendance) forgetLocked(who member) {
	if d, ok := s.left[who]; ok {
		delete(s.left, who)
		s.leftBytes -= d.size()
	}
}

// endAgain repeats what the server did not answer.
func (s *attendance) endAgain(ctx context.Context) {
	s.mu.Lock()
	left := slices.Collect(maps.Values(s.left))
	s.mu.Unlock()
	s.endAll(ctx, left)
}

// endAll ends members that are not back, and tells Lost of those who are gone.
func (s *attendance) endAll(ctx context.Context, all []departure) {
	gone := make(chan departure, len(all))
	each(ctx, s.guard, all, func(d departure) {
		lock := s.lockOf(d.member)
		lock.Lock()
		defer lock.Unlock()
		if !s.mirror.isHere(d.member) {
			last, err := s.depart(d)
			if err != nil {
				s.noteLeft(d)
				return
			}
			if last && !d.keep {
				gone <- d
			}
		}
		s.forgetLeft(d.member)
	})
	close(gone)
	for d := range gone {
		if s.options.Lost != nil {
			s.options.Lost(s.practices.written(d.member, d.practice), d.user)
		}
	}
}

// reap removes the users of instances that died: it takes them over and lets them leave.
// If that fails half-way, the lease that it took ends like any other, and somebody
// begins again.
func (s *attendance) reap(ctx context.Context) {
	if !s.upForALease() {
		return
	}
	s.checkEntered()
	all, err := s.reads.active()
	if err != nil {
		s.failed("list the active users", s.keys.users(), err)
		return
	}
	users := slices.DeleteFunc(slices.Clone(all), s.mirror.isHere)
	for chunk := range slices.Chunk(users, batch) {
		if ctx.Err() != nil {
			return
		}
		taken, stay, err := s.take(chunk)
		if err != nil {
			s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			return
		}
		s.reindex(stay)
		s.endAll(ctx, taken)
	}
}
