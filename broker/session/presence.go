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

// The scripts work on one member's sorted set: instances by the time (ms, the
// server's clock) at which their lease ends. Each touches one key, so that they
// work in a cluster; that they run as one makes exactly one caller the last.
var (
	// scriptJoin: here is the instance ARGV[1], for ARGV[2] ms.
	scriptJoin = rueidis.NewLuaScript(`
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1])
return 0`)

	// scriptLeave takes the instance ARGV[1] out and returns 1 if no other is left.
	scriptLeave = rueidis.NewLuaScript(`
local t = redis.call('TIME')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
return redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0`)

	// scriptReap takes out what has ended and returns 1 if that was the last.
	scriptReap = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
return gone > 0 and redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0`)
)

// batch is how many members one call to the server covers.
const batch = 200

// Join implements [Store].
func (s *Redis) Join(practice, user string) {
	who := s.options.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	if s.mirror.join(who) {
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
		n, err := scriptLeave.Exec(ctx, c, []string{s.keys.sockets(who)}, []string{s.options.Instance}).AsInt64()
		if err != nil {
			return false, err
		}
		if n == 1 {
			err = s.remove(ctx, c, who)
		}
		return n == 1, err
	})
	if err != nil {
		s.failed("remove a user", err)
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
	for _, who := range left {
		if ctx.Err() != nil || !s.guard.Up() {
			return
		}
		s.settleLeft(who)
	}
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
		lease := strconv.FormatInt(s.options.Lease.Milliseconds(), 10)
		calls := make([]rueidis.LuaExec, len(who))
		names := make([]string, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{s.options.Instance, lease}}
			names[i] = s.keys.name(w)
		}
		if err := firstError(scriptJoin.ExecMulti(ctx, c, calls...)); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, c.Do(ctx, c.B().Sadd().Key(s.keys.users()).Member(names...).Build()).Error()
	})
	if err != nil {
		s.failed("take note of users", err)
	}
}

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
	for _, key := range missed {
		if ctx.Err() != nil || !s.guard.Up() {
			return
		}
		mine, _, ok := s.mirror.get(key)
		if !ok {
			s.settle(key, true)
			continue
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
}

// reap removes the users of instances that died.
func (s *Redis) reap(ctx context.Context) {
	// An instance that was cut off from the server, as perhaps all were, needs
	// the time of a lease to repeat its word.
	since := s.upSince.Load()
	if since == 0 || time.Since(time.Unix(0, since)) < s.options.Lease {
		return
	}
	all, err := s.active()
	if err != nil {
		s.failed("list the active users", err)
		return
	}
	users := slices.DeleteFunc(slices.Clone(all), s.mirror.isHere)
	for chunk := range slices.Chunk(users, batch) {
		if ctx.Err() != nil {
			return
		}
		lost, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]member, error) {
			calls := make([]rueidis.LuaExec, len(chunk))
			for i, who := range chunk {
				calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(who)}}
			}
			var lost []member
			for i, reply := range scriptReap.ExecMulti(ctx, c, calls...) {
				n, err := reply.AsInt64()
				if err != nil {
					s.failed("clear up after an instance", err)
				}
				if n == 1 {
					lost = append(lost, chunk[i])
				}
			}
			return lost, nil
		})
		if err != nil {
			s.failed("clear up after an instance", err)
			return
		}
		for _, who := range lost {
			// From here on no lease tells of the member, so this instance removes
			// it, now or when the server answers again.
			s.noteLeft(who)
			s.settleLeft(who)
			s.mirror.forget(who)
			if s.options.Lost != nil {
				s.options.Lost(who.practice, who.user)
			}
		}
	}
}
