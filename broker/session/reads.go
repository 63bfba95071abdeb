package session

import (
	"context"
	"errors"
	"slices"

	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/sharing"

	"github.com/redis/rueidis"
)

// Bounds of what is read from a server where everybody may write.
const (
	maxUsers     = 200_000
	maxPractices = 64
)

// A practice may be too large for one call, whose time is bounded: a call that takes
// too long makes Redis look as if it did not answer. So reading goes in parts.
const (
	fetchMost  = 32      // members that a part covers; if all they have is as large as can be, it brings 32 MiB
	fetchBytes = 1 << 20 // of events that a part should bring
	scanCount  = 2000    // names that a part of a set should bring
)

// reads are what comes from the server. An error means that the server did not answer;
// other failures are counted, and what they are about is passed over.
type reads struct {
	*server

	// Many sockets open at once when an instance has gone.
	rolls sharing.Readings[string, roll] // of active users, by set
}

// parts reads the events of members and gives them to take, a part at a time, so that only
// one is held. No part covers more than most members, and the first ones few: how large their
// events are is not known before, and all who read at the same time share a connection. After ctx no
// further part is read.
func (s *reads) parts(ctx context.Context, who []member, most int, take func(some []member, events []Event)) error {
	for n := max(1, most/16); len(who) > 0; {
		if ctx.Err() != nil {
			return redis.ErrTimeout
		}
		some := who[:min(n, len(who))]
		who = who[len(some):]
		events, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]Event, error) {
			return s.fetch(ctx, c, some)
		})
		if err != nil {
			return err
		}
		bytes := 1
		for i := range events {
			bytes += events[i].size()
		}
		n = max(1, min(len(some)*fetchBytes/bytes, 2*n, most))
		take(some, events)
	}
	return nil
}

// fetch reads the events of members. A key with something else in it counts as
// a failure and is passed over; an error means that the server did not answer.
func (s *reads) fetch(ctx context.Context, c rueidis.Client, who []member) ([]Event, error) {
	if len(who) == 0 {
		return nil, nil
	}
	commands := make(rueidis.Commands, 0, len(who)*len(actions))
	for _, w := range who {
		for _, action := range actions {
			commands = append(commands, c.B().Get().Key(s.keys.event(w, action)).Build())
		}
	}
	var events []Event
	for i, reply := range c.DoMulti(ctx, commands...) {
		w, action := who[i/len(actions)], actions[i%len(actions)]
		text, err := reply.AsBytes()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err != nil {
			if _, answered := rueidis.IsRedisErr(err); !answered {
				return nil, err
			}
			s.failed("read an event", s.keys.all(action), err)
			continue
		}
		e, err := Decode(text)
		if err == nil && (!e.Stored() || e.Action != action || e.Source != w.user || e.Practice != "" && fold(e.Practice) != w.practice) {
			err = ErrField // of the default practice of another instance, say
		}
		if err != nil {
			s.failed("read an event", s.keys.all(action), corrupt{err})
			continue
		}
		if e.Practice == "" { // the original writes none
			e.Practice = s.practices.written(w, "")
		}
		if mine, _, ok := s.mirror.get(entryKey{w, e.Action}); ok && mine == e {
			e = mine // one copy in memory, however many sockets it waits for
		}
		events = append(events, e)
	}
	return events, nil
}

// A roll is what reading active users gave.
type roll struct {
	users []member
	err   error
}

// active reads the active users of all practices. The slice is shared.
func (s *reads) active() ([]member, error) { return s.roll(s.keys.users()) }

// activeIn reads the active users of one practice. Those of the default one are only
// in the set that is the original's, and so are mixed with others.
func (s *reads) activeIn(practice string) ([]member, error) {
	if practice != s.practices.folded {
		return s.roll(s.keys.members(practice))
	}
	all, err := s.active()
	return slices.DeleteFunc(slices.Clone(all), func(who member) bool { return who.practice != practice }), err
}

// roll reads the names in a set. Those who ask at the same time share the slice.
func (s *reads) roll(set string) ([]member, error) {
	r := s.rolls.Do(set, func() (r roll) {
		r.users, r.err = s.scan(set)
		return r
	})
	return r.users, r.err
}

// errTooMany says that there are more than maxUsers, errTooMuch that their events are
// larger than a replay may be.
var (
	errTooMany = errors.New("more than 200,000 active users in Redis; the rest is left out")
	errTooMuch = errors.New("the stored events of a practice's active users are larger than one replay may be (-socket-bytes); the oldest are left out")
)

// scan reads a set, a part at a time; names that no store made are passed over.
func (s *reads) scan(set string) ([]member, error) {
	var all []member
	for cursor := uint64(0); ; {
		page, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (rueidis.ScanEntry, error) {
			return c.Do(ctx, c.B().Sscan().Key(set).Cursor(cursor).Count(scanCount).Build()).AsScanEntry()
		})
		if _, answered := rueidis.IsRedisErr(err); answered {
			s.failed("read the active users", set, err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, name := range page.Elements {
			if who, ok := s.keys.parse(name); ok {
				all = append(all, who)
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return all, nil
		}
		if len(all) >= maxUsers {
			s.failed("read all active users", set, errTooMany)
			return all, nil
		}
	}
}
