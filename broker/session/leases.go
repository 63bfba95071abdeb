package session

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// renew says that the members have sockets here, and reports whether one of them has
// some elsewhere. With their locks held.
func (s *Redis) renew(who []member) (elsewhere bool) {
	elsewhere, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (bool, error) {
		lease := s.lease()
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{s.own + s.mirror.written(w), lease, s.own}}
		}
		var joined []member
		var failed error
		elsewhere := false
		for i, reply := range scriptJoin.ExecMulti(ctx, c, calls...) {
			others, err := reply.AsInt64()
			elsewhere = elsewhere || others > 0
			if err != nil {
				failed = s.cleared(ctx, c, calls[i].Keys[0], err)
			} else {
				joined = append(joined, who[i])
			}
		}
		return elsewhere, cmp.Or(firstError(c.DoMulti(ctx, s.enter(c, joined)...)), failed)
	})
	if err != nil {
		s.failed("take note of users", s.keys.all("SOCKETS")+" "+s.keys.users(), err)
	}
	return elsewhere
}

// enter notes members as active. The index of a practice goes when nobody has renewed
// anything in it for long, with what is left in it of a race.
func (s *Redis) enter(c rueidis.Client, who []member) (commands rueidis.Commands) {
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
			c.B().Pexpire().Key(index).Milliseconds((indexLeases * s.options.Lease).Milliseconds()).Build())
	}
	return commands
}

// indexLeases is how many leases the index of a practice outlives the last renewal in it.
const indexLeases = 20

// lease is how long one stands, in ms.
func (s *Redis) lease() string { return strconv.FormatInt(s.options.Lease.Milliseconds(), 10) }

// keepLeases repeats this instance's word for its users before it runs out. It has
// a goroutine of its own: what maintain does may take longer than a lease.
func (s *Redis) keepLeases(ctx context.Context) {
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
func (s *Redis) renewAll(ctx context.Context) {
	places := make([][]member, len(s.serial))
	for _, who := range s.mirror.here() {
		k := s.placeOf(who)
		places[k] = append(places[k], who)
	}
	each(ctx, s, places, func(all []member) {
		if len(all) == 0 {
			return
		}
		lock := s.lockOf(all[0])
		lock.Lock()
		defer lock.Unlock()
		all = slices.DeleteFunc(all, func(who member) bool { return !s.mirror.isHere(who) })
		for some := range slices.Chunk(all, batch) {
			s.renew(some)
		}
	})
}
