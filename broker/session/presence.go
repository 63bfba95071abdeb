package session

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// Join implements [Store].
func (s *Redis) Join(practice, user string) (elsewhere bool) {
	who := s.practices.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if s.mirror.join(who, practice) {
		elsewhere = s.renew([]member{who}) // if it fails, maintain repeats it
	}
	return elsewhere
}

// Leave implements [Store]. It reports true only if the server has confirmed that it was
// the last one. What the server does not answer now, Lost hears of once it does.
func (s *Redis) Leave(practice, user string, keep bool) bool {
	who := s.practices.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	d := departure{who, s.mirror.written(who), keep}
	return s.mirror.leave(who) && s.end(d)
}

// A departure is of a member without sockets here.
type departure struct {
	member
	practice string // as it was written
	keep     bool   // what is stored
}

// end reports whether it is certain that the member has no socket anywhere, or sees to
// it that endAgain asks later. With the member's lock held.
func (s *Redis) end(d departure) (last bool) {
	last, err := s.leave(d)
	if err != nil {
		s.noteLeft(d)
	}
	return last
}

// errEarly says that instances which were cut off may not have repeated their word yet.
var errEarly = errors.New("too early to tell")

// leave tells the server that the member has no socket here, and removes the member if
// that was the last. In its steps,
//
//  1. our lease stands until all else is done, so that after any failure this instance,
//     or another one when the lease is over, can do it again;
//  2. only events that existed before the lease ended are deleted, so that nothing is
//     lost of a member who comes back meanwhile;
//  3. the lease is ended last, and who finds no other then is the only one to know.
//
// With the member's lock held.
func (s *Redis) leave(d departure) (last bool, err error) {
	var mine []Event
	var marks []string
	if !d.keep {
		mine = s.mirror.of(d.member)
		marks, err = s.marks(d.member)
	}
	claimed := false
	if err == nil {
		claimed, err = s.claim(d)
	}
	if claimed {
		if err = s.remove(d.member, marks); err == nil {
			last, err = s.endLease(d.member, d.keep)
		}
	}
	if last {
		s.mirror.forget(mine)
	}
	if err != nil && err != errEarly {
		s.failed("remove a user", s.keys.all("*"), err)
	}
	return last, err
}

// marks tells apart what is stored of a member now from what will be.
func (s *Redis) marks(who member) ([]string, error) {
	return redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]string, error) {
		var commands rueidis.Commands
		for _, action := range actions {
			commands = append(commands, c.B().Eval().Script(scriptMark).Numkeys(1).Key(s.keys.event(who, action)).Build())
		}
		var marks []string
		for _, reply := range c.DoMulti(ctx, commands...) {
			mark, err := reply.ToString()
			if err != nil {
				return nil, err
			}
			marks = append(marks, mark)
		}
		return marks, nil
	})
}

// claim makes sure that no other instance has the member.
func (s *Redis) claim(d departure) (bool, error) {
	sure := ""
	if s.upForALease() {
		sure = "sure"
	}
	n, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (int64, error) {
		key := s.keys.sockets(d.member)
		n, err := scriptClaim.Exec(ctx, c, []string{key}, []string{s.own, sure, s.own + d.practice, s.lease()}).AsInt64()
		return n, s.cleared(ctx, c, key, err)
	})
	if err == nil && n == 2 {
		err = errEarly
	}
	return n == 1, err
}

// cleared deletes what has taken the place of a member's leases, if that is why a
// call failed.
func (s *Redis) cleared(ctx context.Context, c rueidis.Client, key string, err error) error {
	if err != nil && Reasons[reasonOf(err)] == "wrong_type" {
		c.Do(ctx, c.B().Del().Key(key).Build()) // if it fails, so will the next call
	}
	return err
}

// remove deletes what the server has of a member, but not what is newer than its marks.
func (s *Redis) remove(who member, marks []string) error {
	_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		var commands rueidis.Commands
		for i, mark := range marks {
			if mark != "" {
				commands = append(commands, c.B().Eval().Script(scriptRemove).Numkeys(1).Key(s.keys.event(who, actions[i])).Arg(mark).Build())
			}
		}
		commands = append(commands, c.B().Srem().Key(s.keys.users()).Member(s.keys.name(who)).Build())
		if who.practice != s.practices.folded {
			commands = append(commands, c.B().Srem().Key(s.keys.members(who.practice)).Member(s.keys.name(who)).Build())
		}
		return struct{}{}, firstError(c.DoMulti(ctx, commands...))
	})
	return err
}

// endLease reports whether ours was the member's last lease.
func (s *Redis) endLease(who member, keep bool) (last bool, err error) {
	return redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (bool, error) {
		n, err := scriptLeave.Exec(ctx, c, []string{s.keys.sockets(who)}, []string{s.own}).AsInt64()
		switch {
		case err != nil:
			return false, err
		case n == 0:
			// The member is back. The other instance has written its lease before
			// its SADD, so either its SADD came after our SREM or we find its lease.
			return false, firstError(c.DoMulti(ctx, s.enter(c, []member{who})...))
		case who.practice != s.practices.folded && !keep:
			c.Do(ctx, c.B().Srem().Key(s.keys.practices(who.user)).Member(who.practice).Build()) // else it expires
		}
		return true, nil
	})
}

func firstError(replies []rueidis.RedisResult) error {
	for _, r := range replies {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Redis) lockOf(who member) *sync.Mutex { return &s.serial[s.placeOf(who)] }

func (s *Redis) placeOf(who member) int {
	return int(maphash.Comparable(s.seed, who) % uint64(len(s.serial)))
}
