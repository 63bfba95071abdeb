package session

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// leases are what the server knows of who is active: a lease per member and instance, and
// the sets of members. What they change, and in which order, is attendance's to say.
//
// Calls of members whose locks are held have room, however many submits and replays there
// are, and renewals have theirs, however many come and go: a lease that is not renewed logs its
// user out.
type leases struct {
	*server
	own string // how the names of this instance's leases begin

	looks   sync.Mutex // guards what follows
	entered []member   // noted since checkEntered looked
	ripe    []member   // noted before
}

// renew says that the members have sockets here, and reports whether one of them has
// some elsewhere, or may have: the server did not answer. With their locks held.
//
// Who clears up finds leases by the set of active users, so a lease comes to stay only when its
// member is there: a server without memory takes leases and not the names, and this instance may
// end in between. Then they go when nobody has renewed one for long.
func (s *leases) renew(r redis.Reserve, who []member) (elsewhere bool) {
	alone, err := redis.DoFirst(s.guard, r, func(ctx context.Context, c rueidis.Client) (alone bool, err error) {
		lease := s.lease()
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			stay := s.longAfter()
			if s.mirror.isEntered(w) {
				stay = leasesStay
			}
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{s.own + s.mirror.written(w), lease, s.own, strconv.FormatInt(stay, 10)}}
		}
		var joined []member
		var failed error
		alone = true
		for i, reply := range scriptJoin.ExecMulti(ctx, c, calls...) {
			others, err := reply.AsInt64()
			alone = alone && err == nil && others == 0
			if err != nil {
				failed = s.cleared(ctx, c, calls[i].Keys[0], err)
			} else {
				joined = append(joined, who[i])
			}
		}
		entered := c.DoMulti(ctx, s.enter(c, joined)...)
		var stay rueidis.Commands
		if len(joined) > 0 && entered[0].Error() == nil {
			for _, w := range s.mirror.enter(joined) {
				stay = append(stay, c.B().Pexpire().Key(s.keys.sockets(w)).Milliseconds(leasesStay).Build())
			}
		}
		return alone, cmp.Or(firstError(entered), firstError(c.DoMulti(ctx, stay...)), failed)
	})
	if err != nil {
		s.failed("take note of users", s.keys.all("SOCKETS")+" "+s.keys.users(), err)
	}
	return !alone
}

// enter notes members as active, first in the set of all. The index of a practice goes when nobody has renewed
// anything in it for long, with what is left in it of a race.
func (s *leases) enter(c rueidis.Client, who []member) (commands rueidis.Commands) {
	if len(who) == 0 {
		return nil
	}
	var names []string
	indexes := make(map[string][]string)
	for _, w := range who {
		name := s.keys.name(w)
		names = append(names, name)
		if w.practice != s.practices.folded {
			indexes[w.practice] = append(indexes[w.practice], name)
		}
	}
	commands = append(commands, c.B().Sadd().Key(s.keys.users()).Member(names...).Build())
	for practice, names := range indexes {
		index := s.keys.members(practice)
		commands = append(commands, c.B().Sadd().Key(index).Member(names...).Build(),
			c.B().Pexpire().Key(index).Milliseconds(s.longAfter()).Build())
	}
	return commands
}

// leasesStay is for how many ms the leases of a user whose instance died wait for one that clears
// up after it: ten years.
const leasesStay = 315_360_000_000

// longAfter is for how many ms what is left of a race or of a failure stays after the last renewal.
func (s *leases) longAfter() int64 { return (20 * s.options.Lease).Milliseconds() }

// lease is how long one stands, in ms.
func (s *leases) lease() string { return strconv.FormatInt(s.options.Lease.Milliseconds(), 10) }

// errEarly says that instances which were cut off may not have repeated their word yet.
var errEarly = errors.New("too early to tell")

// marks tells apart what is stored of a member now from what will be.
func (s *leases) marks(who member) ([]string, error) {
	return redis.DoFirst(s.guard, redis.ForMembers, func(ctx context.Context, c rueidis.Client) ([]string, error) {
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
func (s *leases) claim(d departure) (bool, error) {
	sure := ""
	if s.upForALease() {
		sure = "sure"
	}
	n, err := redis.DoFirst(s.guard, redis.ForMembers, func(ctx context.Context, c rueidis.Client) (int64, error) {
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
func (s *leases) cleared(ctx context.Context, c rueidis.Client, key string, err error) error {
	if err != nil && Reasons[reasonOf(err)] == "wrong_type" {
		c.Do(ctx, c.B().Del().Key(key).Build()) // if it fails, so will the next call
	}
	return err
}

// remove deletes what the server has of a member, but not what is newer than its marks. From
// then on nobody would find its leases, if this instance died before it ends the last: they
// go when nobody has renewed one for long.
func (s *leases) remove(who member, marks []string) error {
	_, err := redis.DoFirst(s.guard, redis.ForMembers, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		commands := rueidis.Commands{c.B().Pexpire().Key(s.keys.sockets(who)).Milliseconds(s.longAfter()).Build()}
		for i, mark := range marks {
			if mark != "" {
				commands = append(commands, c.B().Eval().Script(scriptRemove).Numkeys(1).Key(s.keys.event(who, actions[i])).Arg(mark).Build())
			}
		}
		commands = append(commands, s.withdraw(c, who)...)
		return struct{}{}, firstError(c.DoMulti(ctx, commands...))
	})
	return err
}

// endLease reports whether ours was the member's last lease.
func (s *leases) endLease(who member, keep bool) (last bool, err error) {
	return redis.DoFirst(s.guard, redis.ForMembers, func(ctx context.Context, c rueidis.Client) (bool, error) {
		n, err := scriptLeave.Exec(ctx, c, []string{s.keys.sockets(who)}, []string{s.own}).AsInt64()
		switch {
		case err != nil:
			return false, err
		case n == 0:
			// The member is back. The other instance has written its lease before
			// its SADD, so either its SADD came after our SREM or we find its lease.
			// If the member is gone again, that came too late.
			if !s.note(who) {
				return false, nil // its next renewal enters it
			}
			defer s.note(who)
			return false, firstError(c.DoMulti(ctx, s.enter(c, []member{who})...))
		case who.practice != s.practices.folded && !keep:
			c.Do(ctx, c.B().Srem().Key(s.keys.practices(who.user)).Member(who.practice).Build()) // else it expires
		}
		return true, nil
	})
}

// maxEntered bounds how many members are noted between two looks.
const maxEntered = 20_000

// note has checkEntered look at members whom we entered though they have no socket here. One of
// them may have been leaving: if its SREM came before our SADD, nobody else takes it out again.
// It reports whether there was room for all.
func (s *leases) note(entered ...member) bool {
	s.looks.Lock()
	defer s.looks.Unlock()
	n := min(len(entered), maxEntered-len(s.entered))
	s.entered = append(s.entered, entered[:n]...)
	return n == len(entered)
}

// checkEntered takes out those who were noted before it was called last, and have no lease
// any more. Who has one has not been leaving for so long: its SREM is still to come. Who joins
// meanwhile is entered with the next renewal.
func (s *leases) checkEntered() {
	s.looks.Lock()
	all := s.ripe
	s.ripe, s.entered = s.entered, nil
	s.looks.Unlock()
	for some := range slices.Chunk(all, batch) {
		_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
			var leases, commands rueidis.Commands
			for _, who := range some {
				leases = append(leases, c.B().Exists().Key(s.keys.sockets(who)).Build())
			}
			for i, reply := range c.DoMulti(ctx, leases...) {
				n, err := reply.AsInt64()
				if err != nil {
					return struct{}{}, err
				}
				if n == 0 {
					commands = append(commands, s.withdraw(c, some[i])...)
				}
			}
			return struct{}{}, firstError(c.DoMulti(ctx, commands...))
		})
		if err != nil {
			s.failed("look for users who were entered", s.keys.users(), err)
			s.note(some...)
		}
	}
}

// withdraw is the reverse of enter.
func (s *leases) withdraw(c rueidis.Client, who member) rueidis.Commands {
	commands := rueidis.Commands{c.B().Srem().Key(s.keys.users()).Member(s.keys.name(who)).Build()}
	if who.practice != s.practices.folded {
		commands = append(commands, c.B().Srem().Key(s.keys.members(who.practice)).Member(s.keys.name(who)).Build())
	}
	return commands
}

// take takes over those of the members whose leases have all ended, and tells who has one.
func (s *leases) take(who []member) (taken []departure, stay []member, err error) {
	type takes struct {
		taken []departure
		stay  []member
	}
	t, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (t takes, err error) {
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{"", s.own, s.lease()}}
		}
		for i, reply := range scriptTake.ExecMulti(ctx, c, calls...) {
			answer, err := reply.ToMessage()
			switch {
			case rueidis.IsRedisNil(err): // it never had one
			case err != nil:
				s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			case answer.IsInt64():
				t.stay = append(t.stay, who[i])
			default:
				practice, _ := answer.ToString() // the script's other answer is one
				t.taken = append(t.taken, departure{who[i], practice, false})
			}
		}
		return t, nil
	})
	return t.taken, t.stay, err
}

// reindex enters users of other instances in the indexes of their practices: instances
// of an earlier version do not.
func (s *leases) reindex(users []member) {
	users = slices.DeleteFunc(users, func(who member) bool { return who.practice == s.practices.folded })
	if len(users) == 0 {
		return
	}
	_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		var add, keep rueidis.Commands
		for _, who := range users {
			add = append(add, c.B().Sadd().Key(s.keys.members(who.practice)).Member(s.keys.name(who)).Build())
		}
		var added []member
		var failed error
		for i, reply := range c.DoMulti(ctx, add...) {
			n, err := reply.AsInt64()
			if err != nil {
				failed = cmp.Or(failed, err)
			}
			if n > 0 || err != nil { // or nobody knows
				added = append(added, users[i])
				keep = append(keep, c.B().Pexpire().Key(s.keys.members(users[i].practice)).Milliseconds(s.longAfter()).Build())
			}
		}
		s.note(added...)
		return struct{}{}, cmp.Or(firstError(c.DoMulti(ctx, keep...)), failed)
	})
	if err != nil {
		s.failed("note the users of practices", s.keys.all("USERS"), err)
	}
}

func firstError(replies []rueidis.RedisResult) error {
	for _, r := range replies {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}
