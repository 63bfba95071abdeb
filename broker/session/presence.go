package session

import (
	"cmp"
	"context"
	"errors"
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

	// scriptClaim ends the leases of the instance ARGV[1] and returns 0 if another
	// instance has one. If none has, it leaves the instance one, ARGV[3] for ARGV[4] ms,
	// and returns 1: whoever ends that one is the last. It returns 2 and changes nothing
	// if it cannot tell, because the instance has had none and ARGV[2] is not "sure".
	scriptClaim = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases, own, others, sure = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), {}, false, ARGV[2] == 'sure'
for i = 1, #leases, 2 do
	local stands = tonumber(leases[i + 1]) > now
	if string.sub(leases[i], 1, #ARGV[1]) == ARGV[1] then
		own[#own + 1] = leases[i]
		sure = sure or stands
	else
		others = others or stands
	end
end
if others then
	for _, lease in ipairs(own) do redis.call('ZREM', KEYS[1], lease) end
	return 0
end
if not sure then return 2 end
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[3])
return 1`)

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

// mark is the begin of two scripts on the key of an event. It is what stands there.
const mark = `
local value = redis.pcall('GET', KEYS[1])
local mark = type(value) == 'table' and 'no string' or value and redis.sha1hex(value) or ''
`

// Scripts on the key of an event, short enough to be sent with each call.
const (
	scriptMark   = mark + `return mark`
	scriptRemove = mark + `if mark ~= '' and mark == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0`

	// scriptSetUnlessNewer writes the event ARGV[1] of the time ARGV[2], for ARGV[3] ms if
	// there is one.
	scriptSetUnlessNewer = `
local value = redis.pcall('GET', KEYS[1])
local ok, event = pcall(cjson.decode, value)
if ok and type(event) == 'table' and (tonumber(event.timestamp) or 0) > tonumber(ARGV[2]) then return 0 end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) else redis.call('SET', KEYS[1], ARGV[1]) end
return 1`
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

// Leave implements [Store]. It reports true only if the server has confirmed that it was
// the last one. What the server does not answer now, Lost hears of once it does.
func (s *Redis) Leave(practice, user string) bool {
	who := s.options.member(practice, user)
	lock := s.lockOf(who)
	lock.Lock()
	defer lock.Unlock()
	d := departure{who, s.mirror.written(who)}
	return s.mirror.leave(who) && s.end(d)
}

// A departure is of a member without sockets here.
type departure struct {
	member
	practice string // as it was written
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
//  2. no event is deleted but one that was there before the member had no lease, so that
//     nothing is lost of a member who comes back meanwhile;
//  3. the lease is ended last, and who finds no other then is the only one to know.
//
// With the member's lock held.
func (s *Redis) leave(d departure) (last bool, err error) {
	kept := s.mirror.of(d.member)
	marks, err := s.marks(d.member)
	claimed := false
	if err == nil {
		claimed, err = s.claim(d)
	}
	if claimed {
		if err = s.remove(d.member, marks); err == nil {
			last, err = s.endLease(d.member)
		}
	}
	if last {
		s.mirror.forget(kept)
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
		for i, action := range actions {
			if marks[i] != "" {
				commands = append(commands, c.B().Eval().Script(scriptRemove).Numkeys(1).Key(s.keys.event(who, action)).Arg(marks[i]).Build())
			}
		}
		commands = append(commands, c.B().Srem().Key(s.keys.users()).Member(s.keys.name(who)).Build())
		return struct{}{}, firstError(c.DoMulti(ctx, commands...))
	})
	return err
}

// endLease reports whether ours was the member's last lease.
func (s *Redis) endLease(who member) (last bool, err error) {
	return redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (bool, error) {
		n, err := scriptLeave.Exec(ctx, c, []string{s.keys.sockets(who)}, []string{s.own}).AsInt64()
		switch {
		case err != nil:
			return false, err
		case n == 0:
			// The member is back. The other instance has written its lease before
			// its SADD, so either its SADD came after our SREM or we find its lease.
			return false, c.Do(ctx, c.B().Sadd().Key(s.keys.users()).Member(s.keys.name(who)).Build()).Error()
		case who.practice != s.options.folded:
			c.Do(ctx, c.B().Srem().Key(s.keys.practices(who.user)).Member(who.practice).Build()) // else it expires
		}
		return true, nil
	})
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
			if last {
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
			s.options.Lost(s.options.written(d.member, d.practice), d.user)
		}
	}
}

func (s *Redis) lockOf(who member) *sync.Mutex { return &s.serial[s.placeOf(who)] }

func (s *Redis) placeOf(who member) int {
	return int(maphash.Comparable(s.seed, who) % uint64(len(s.serial)))
}

// renew says that the members have sockets here. With their locks held.
func (s *Redis) renew(who []member) {
	_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		lease := s.lease()
		calls := make([]rueidis.LuaExec, len(who))
		for i, w := range who {
			calls[i] = rueidis.LuaExec{Keys: []string{s.keys.sockets(w)}, Args: []string{s.own + s.mirror.written(w), lease}}
		}
		var names []string
		var failed error
		for i, reply := range scriptJoin.ExecMulti(ctx, c, calls...) {
			if err := reply.Error(); err != nil {
				failed = s.cleared(ctx, c, calls[i].Keys[0], err)
			} else {
				names = append(names, s.keys.name(who[i]))
			}
		}
		if len(names) == 0 {
			return struct{}{}, failed
		}
		return struct{}{}, cmp.Or(c.Do(ctx, c.B().Sadd().Key(s.keys.users()).Member(names...).Build()).Error(), failed)
	})
	if err != nil {
		s.failed("take note of users", s.keys.all("SOCKETS")+" "+s.keys.users(), err)
	}
}

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
		taken, err := s.take(chunk)
		if err != nil {
			s.failed("clear up after an instance", s.keys.all("SOCKETS"), err)
			return
		}
		s.endAll(ctx, taken)
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
				taken = append(taken, departure{who[i], practice})
			}
		}
		return taken, nil
	})
}
