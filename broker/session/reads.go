package session

import (
	"context"
	"errors"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// Bounds of what is read from a server where everybody may write.
const (
	maxUsers     = 200_000
	maxPractices = 64
)

// fetch reads the events of members. A key with something else in it counts as
// a failure and is passed over; an error means that the server did not answer.
func (s *Redis) fetch(ctx context.Context, c rueidis.Client, who []member) ([]Event, error) {
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
		if err == nil && (!e.Stored() || e.Action != action || e.Source != w.user) {
			err = ErrField
		}
		if err != nil {
			s.failed("read an event", s.keys.all(action), corrupt{err})
			continue
		}
		if Fold(e.Practice) != w.practice { // the original writes none
			e.Practice = s.options.written(w, "")
		}
		if mine, _, ok := s.mirror.get(entryKey{w, e.Action}); ok && mine == e {
			e = mine // one copy in memory, however many sockets it waits for
		}
		events = append(events, e)
	}
	return events, nil
}

// A roll is what reading the active users gave.
type roll struct {
	users []member
	err   error
}

// active reads the active users. The slice is shared.
func (s *Redis) active() ([]member, error) {
	r := s.rolls.Do(struct{}{}, func() (r roll) {
		r.users, r.err = redis.Do(s.guard, s.users)
		return r
	})
	return r.users, r.err
}

// errTooMany says that there are more than maxUsers.
var errTooMany = errors.New("too many active users; the rest is passed over")

// users reads the active users; names that no store made are passed over.
func (s *Redis) users(ctx context.Context, c rueidis.Client) ([]member, error) {
	var all []member
	for cursor := uint64(0); ; {
		page, err := c.Do(ctx, c.B().Sscan().Key(s.keys.users()).Cursor(cursor).Count(10_000).Build()).AsScanEntry()
		if _, answered := rueidis.IsRedisErr(err); answered {
			s.failed("read the active users", s.keys.users(), err)
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
			s.failed("read all active users", s.keys.users(), errTooMany)
			return all, nil
		}
	}
}
