package session

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// The scripts work on one member's sorted set, of leases by the time (ms, the server's
// clock) at which they end. A lease is named "instance/practice", the practice as it was
// written. Each script touches one key, so that they work in a cluster; that they run as
// one makes exactly one caller the last.
var (
	// scriptJoin grants the lease ARGV[1] for ARGV[2] ms.
	scriptJoin = rueidis.NewLuaScript(`
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1])
return 0`)

	// scriptLeave ends the leases whose names begin with ARGV[1], and those whose time
	// is over. It returns 1 if no other is left.
	scriptLeave = rueidis.NewLuaScript(endLeases + `
return redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0`)

	// scriptTake ends the leases whose time is over. If no other is left, it grants
	// one that begins with ARGV[2] for ARGV[3] ms, and returns the practice of the one
	// that ended last.
	scriptTake = rueidis.NewLuaScript(endLeases + `
if not last or redis.call('EXISTS', KEYS[1]) == 1 then return false end
local practice = string.match(last, '/(.*)$') or ''
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2] .. practice)
return practice`)
)

// endLeases is the begin of two scripts. An empty ARGV[1] is the begin of no name.
const endLeases = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases, last = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), nil
for i = 1, #leases, 2 do
	local own = ARGV[1] ~= '' and string.sub(leases[i], 1, #ARGV[1]) == ARGV[1]
	if own or tonumber(leases[i + 1]) <= now then
		redis.call('ZREM', KEYS[1], leases[i])
		last = leases[i]
	end
end`

const (
	batch  = 200 // members that one call to the server covers
	atOnce = 32  // calls under way where each member needs its own
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

// Join implements [Store].
func (s *Redis) Join(practice, user string) {
	who := s.options.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if s.mirror.join(who, practice) {
		s.renew([]member{who}) // if it fails, maintain repeats it
	}
}

// Leave implements [Store]. While the server is away, this instance decides alone.
func (s *Redis) Leave(practice, user string) bool {
	who := s.options.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if !s.mirror.leave(who) {
		return false
	}
	return s.end(who)
}

// end removes a member without sockets here, and reports whether it has none anywhere.
// With the member's lock held.
func (s *Redis) end(who member) (last bool) {
	last, err := s.leave(who)
	if err != nil {
		last = true
		s.noteLeft(who)
	}
	if last {
		s.mirror.forget(who)
	}
	return last
}

// leave tells the server that the member has no socket here, and whether it was the
// last. Repeating it does no harm. With the member's lock held.
func (s *Redis) leave(who member) (last bool, err error) {
	last, err = redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (bool, error) {
		n, err := scriptLeave.Exec(ctx, c, []string{s.keys.sockets(who)}, []string{s.own}).AsInt64()
		if err != nil {
			return false, err
		}
		if n == 1 {
			err = s.remove(ctx, c, who)
		}
		return n == 1, err
	})
	if err != nil {
		s.failed("remove a user", s.keys.all("*"), err)
	}
	return last, err
}

// noteLeft has leaveAgain tell the server that the member is gone.
func (s *Redis) noteLeft(who member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) < s.options.MaxEvents {
		s.left[who] = struct{}{}
	}
}

// leaveAgain repeats what the server did not answer: it may have taken the lease out
// and not the rest, and where there is no lease nobody clears up.
func (s *Redis) leaveAgain(ctx context.Context) {
	s.mu.Lock()
	left := slices.Collect(maps.Keys(s.left))
	s.mu.Unlock()
	each(ctx, s, left, s.settleLeft)
}

// settleLeft tells the server again that the member left, if it is not back.
func (s *Redis) settleLeft(who member) {
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if !s.mirror.isHere(who) {
		if _, err := s.leave(who); err != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.left, who)
}

func (s *Redis) lockOf(who member) *sync.Mutex {
	return &s.serial[maphash.Comparable(s.seed, who)%uint64(len(s.serial))]
}

// renew says that the members have sockets here.
func (s *Redis) renew(who []member) {
	_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		lease := s.lease()
		calls := make([]rueidis.LuaExec, len(who))
		names := make([]string, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{s.own + s.mirror.written(w), lease}}
			names[i] = s.keys.name(w)
		}
		if err := firstError(scriptJoin.ExecMulti(ctx, c, calls...)); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, c.Do(ctx, c.B().Sadd().Key(s.keys.users()).Member(names...).Build()).Error()
	})
	if err != nil {
		s.failed("take note of users", s.keys.all("SOCKETS")+" "+s.keys.users(), err)
	}
}

// lease is how long one stands, in ms.
func (s *Redis) lease() string { return strconv.FormatInt(s.options.Lease.Milliseconds(), 10) }

// remove deletes what the server has of a member whose last lease is gone.
func (s *Redis) remove(ctx context.Context, c rueidis.Client, who member) error {
	var commands rueidis.Commands
	for _, action := range actions {
		commands = append(commands, c.B().Del().Key(s.keys.event(who, action)).Build())
	}
	if who.practice != s.options.folded {
		commands = append(commands, c.B().Srem().Key(s.keys.practices(who.user)).Member(who.practice).Build())
	}
	commands = append(commands,
		c.B().Srem().Key(s.keys.users()).Member(s.keys.name(who)).Build(),
		// Looked at after the removal: another instance that joined in between
		// has written its lease before its SADD, so either its SADD comes after
		// our SREM or we find the lease here.
		c.B().Exists().Key(s.keys.sockets(who)).Build())
	replies := c.DoMulti(ctx, commands...)
	if err := firstError(replies); err != nil {
		return err
	}
	if back, _ := replies[len(replies)-1].AsInt64(); back > 0 {
		return c.Do(ctx, c.B().Sadd().Key(s.keys.users()).Member(s.keys.name(who)).Build()).Error()
	}
	return nil
}

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
			s.renewAll()
		}
	}
}

func (s *Redis) renewAll() {
	for chunk := range slices.Chunk(s.mirror.here(), batch) {
		if !s.guard.Up() {
			return
		}
		s.renew(chunk)
		for _, who := range chunk {
			if !s.mirror.isHere(who) { // our word for it may have come after it left
				s.noteLeft(who)
			}
		}
	}
}

// maintain brings the server up to date and clears up after instances that died.
func (s *Redis) maintain(ctx context.Context) {
	tick := time.NewTicker(s.options.Lease / 3)
	defer tick.Stop()
	for {
		back := false
		select {
		case <-ctx.Done():
			return
		case <-s.cameUp:
			back = true
		case <-tick.C:
		}
		if !s.guard.Up() {
			continue
		}
		if back {
			// The server may have lost all, or removed our users.
			s.renewAll()
			for _, who := range s.mirror.here() {
				for _, action := range actions {
					s.settle(entryKey{who, action}, false)
				}
			}
		}
		s.leaveAgain(ctx)
		s.catchUp(ctx)
		s.reap(ctx)
	}
}

// catchUp writes what the server missed, unless it has something newer.
func (s *Redis) catchUp(ctx context.Context) {
	s.mu.Lock()
	missed := make([]entryKey, 0, len(s.missed))
	for key := range s.missed {
		missed = append(missed, key)
	}
	s.mu.Unlock()
	each(ctx, s, missed, s.writeMissed)
}

// writeMissed writes one event that the server missed.
func (s *Redis) writeMissed(key entryKey) {
	mine, _, ok := s.mirror.get(key)
	if !ok {
		s.settle(key, true)
		return
	}
	theirs, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]Event, error) {
		return s.fetch(ctx, c, []member{key.member})
	})
	if err != nil {
		return
	}
	newer := slices.ContainsFunc(theirs, func(e Event) bool { return e.Action == key.action && e.At > mine.At })
	if newer {
		s.settle(key, true)
	} else {
		s.store(key)
	}
}

// reap removes the users of instances that died: it takes them over and lets them leave.
// If that fails half-way, the lease that it took ends like any other, and somebody
// begins again.
func (s *Redis) reap(ctx context.Context) {
	// An instance that was cut off from the server, as perhaps all were, needs
	// the time of a lease to repeat its word.
	since := s.upSince.Load()
	if since == 0 || time.Since(time.Unix(0, since)) < s.options.Lease {
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
		taken, err := s.take(chunk)
		if err != nil {
			s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			return
		}
		lost := make(chan orphan, len(taken))
		each(ctx, s, taken, func(o orphan) {
			lock := s.lockOf(o.member)
			lock.Lock()
			defer lock.Unlock()
			if !s.mirror.isHere(o.member) && s.end(o.member) {
				lost <- o
			}
		})
		close(lost)
		for o := range lost {
			if s.options.Lost != nil {
				s.options.Lost(s.options.written(o.member, o.practice), o.user)
			}
		}
	}
}

// An orphan is a member whose instance died.
type orphan struct {
	member
	practice string // as the instance had it
}

// take takes over those of the members whose leases have all ended.
func (s *Redis) take(who []member) ([]orphan, error) {
	return redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]orphan, error) {
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{"", s.own, s.lease()}}
		}
		var taken []orphan
		for i, reply := range scriptTake.ExecMulti(ctx, c, calls...) {
			practice, err := reply.ToString()
			switch {
			case rueidis.IsRedisNil(err): // it has one, or never had
			case err != nil:
				s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			default:
				taken = append(taken, orphan{who[i], practice})
			}
		}
		return taken, nil
	})
}
