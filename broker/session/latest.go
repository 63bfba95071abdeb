package session

import (
	"context"
	"slices"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// A user may have large events in many practices, and all calls share a connection. So
// few users are read at once, each a little at a time.
const (
	latestAtOnce = 8 // users
	latestMost   = 4 // practices that a part covers
)

// A find is what reading a user's latest events gave.
type find struct {
	events []Event
	err    error
}

// Latest implements [Store].
func (s *Redis) Latest(practice, user string) []Event {
	who := member{AnyPractice, user}
	if practice != AnyPractice {
		who = s.practices.member(practice, user)
	}
	f := s.finds.Do(who, func() (f find) {
		if f.events, f.err = s.latest(who); f.err != nil {
			s.failed("read a user's events", s.keys.all("*_CARD"), f.err)
		}
		return f
	})
	if f.err != nil {
		return s.mirror.Latest(practice, user)
	}
	return slices.Clone(f.events)
}

// latest reads what Latest is to return, in about the time of one call.
func (s *Redis) latest(who member) (found []Event, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Timeout)
	defer cancel()
	select {
	case s.finding <- struct{}{}:
		defer func() { <-s.finding }()
	case <-ctx.Done():
		return nil, redis.ErrBusy
	}
	places := []member{who}
	if who.practice == AnyPractice {
		if places, err = s.placesOf(who.user); err != nil {
			return nil, err
		}
	}
	err = s.reads.parts(ctx, places, latestMost, func(some []member, events []Event) {
		found = newest(append(found, s.overlay(events, some)...)) // the rest is let go
	})
	return found, err
}

// placesOf is the user in all practices where something may be stored: what the server
// missed takes part like the rest.
func (s *Redis) placesOf(user string) ([]member, error) {
	names, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) ([]string, error) {
		// A part of the set: it may be large.
		page, err := c.Do(ctx, c.B().Sscan().Key(s.keys.practices(user)).Cursor(0).Count(maxPractices).Build()).AsScanEntry()
		return page.Elements, err
	})
	if _, answered := rueidis.IsRedisErr(err); answered {
		s.failed("read a user's practices", s.keys.all("PRACTICES"), err)
		names, err = nil, nil
	}
	places := []member{{s.practices.folded, user}}
	for _, practice := range names[:min(len(names), maxPractices)] {
		places = append(places, member{practice, user})
	}
	return union(places, s.mirror.placesOf(user)), err
}
