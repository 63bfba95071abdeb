package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

const (
	batch  = 200 // members that one call to the server covers
	atOnce = 32  // calls under way where each member needs its own

	batchBytes = 1 << 20 // of events that one call writes; the last may exceed it
)

// each calls do for all items, some at the same time, while the server answers.
func each[T any](ctx context.Context, s *Redis, items []T, do func(T)) {
	for some := range slices.Chunk(items, atOnce) {
		if ctx.Err() != nil || !s.guard.Up() {
			return
		}
		var all sync.WaitGroup
		for _, item := range some {
			all.Go(func() { do(item) })
		}
		all.Wait()
	}
}

// maintain brings the server up to date and clears up after instances that died.
func (s *Redis) maintain(ctx context.Context) {
	tick := time.NewTicker(s.options.Lease / 3)
	defer tick.Stop()
	for {
		back, due := false, true
		select {
		case <-ctx.Done():
			return
		case <-s.cameUp:
			back = true
		case <-s.evicted:
			due = false
		case <-tick.C:
		}
		if !s.guard.Up() {
			continue
		}
		s.unstoreExtra()
		if !due {
			continue
		}
		if back {
			// The server may have lost all, or removed our users.
			s.renewAll(ctx)
			for _, who := range s.mirror.here() {
				for _, action := range actions {
					s.settle(entryKey{who, action}, false)
				}
			}
		}
		s.endAgain(ctx)
		s.catchUp(ctx)
		s.reap(ctx)
	}
}

// catchUp writes what the server missed, unless it has something newer.
func (s *Redis) catchUp(ctx context.Context) {
	s.mu.Lock()
	missed := slices.Collect(maps.Keys(s.missed))
	s.mu.Unlock()
	for len(missed) > 0 && ctx.Err() == nil && s.guard.Up() {
		var writes []write
		for size := 0; len(missed) > 0 && len(writes) < batch && size < batchBytes; missed = missed[1:] {
			if w, ok := s.writeOf(missed[0]); ok {
				writes = append(writes, w)
				size += len(w.text)
			}
		}
		s.writeAll(writes, scriptSetUnlessNewer)
	}
}

// noteLeft has endAgain ask the server about the member.
func (s *Redis) noteLeft(d departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) < s.options.MaxEvents {
		s.left[d.member] = d
	}
}

// endAgain repeats what the server did not answer.
func (s *Redis) endAgain(ctx context.Context) {
	s.mu.Lock()
	left := slices.Collect(maps.Values(s.left))
	s.mu.Unlock()
	s.endAll(ctx, left)
}

// endAll ends members that are not back, and tells Lost of those who are gone.
func (s *Redis) endAll(ctx context.Context, all []departure) {
	gone := make(chan departure, len(all))
	each(ctx, s, all, func(d departure) {
		lock := s.lockOf(d.member)
		lock.Lock()
		defer lock.Unlock()
		if !s.mirror.isHere(d.member) {
			last, err := s.leave(d)
			if err != nil {
				s.noteLeft(d)
				return
			}
			if last && !d.keep {
				gone <- d
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.left, d.member)
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
func (s *Redis) reap(ctx context.Context) {
	if !s.upForALease() {
		return
	}
	all, err := s.active()
	if err != nil {
		s.failed("list the active users", s.keys.users(), err)
		return
	}
	users := slices.DeleteFunc(slices.Clone(all), s.mirror.isHere)
	for chunk := range slices.Chunk(users, batch) {
		if ctx.Err() != nil {
			return
		}
		s.reindex(chunk)
		taken, err := s.take(chunk)
		if err != nil {
			s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			return
		}
		s.endAll(ctx, taken)
	}
}

// reindex enters users of other instances in the indexes of their practices: instances
// of an earlier version do not.
func (s *Redis) reindex(users []member) {
	users = slices.DeleteFunc(slices.Clone(users), func(who member) bool { return who.practice == s.practices.folded })
	_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		return struct{}{}, firstError(c.DoMulti(ctx, s.enter(c, users)...))
	})
	if err != nil {
		s.failed("note the users of practices", s.keys.all("USERS"), err)
	}
}

// upForALease reports whether the server has been here for so long that instances which
// were cut off from it, as perhaps all were, must have repeated their word.
func (s *Redis) upForALease() bool {
	since := s.upSince.Load()
	return since != 0 && time.Since(time.Unix(0, since)) >= s.options.Lease
}

// take takes over those of the members whose leases have all ended.
func (s *Redis) take(who []member) ([]departure, error) {
	return redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]departure, error) {
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{"", s.own, s.lease()}}
		}
		var taken []departure
		for i, reply := range scriptTake.ExecMulti(ctx, c, calls...) {
			practice, err := reply.ToString()
			switch {
			case rueidis.IsRedisNil(err): // it has one, or never had
			case err != nil:
				s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			default:
				taken = append(taken, departure{who[i], practice, false})
			}
		}
		return taken, nil
	})
}
