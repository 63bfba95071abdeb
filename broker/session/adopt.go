package session

import (
	"context"
	"maps"
	"slices"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// adopt has this instance see to what the server has of a member whose first socket came here,
// whoever stored it: an instance that gives an event up leaves it on the server if its member
// has a lease elsewhere. So the lease comes first. Either that instance finds the lease after
// we wrote it, and then we read the event after that, or it removes the event. With the
// member's lock held: what is removed when the member leaves must not come back.
func (s *attendance) adopt(who member) {
	events, err := redis.DoFirst(s.guard, redis.ForMembers, func(ctx context.Context, c rueidis.Client) ([]Event, error) {
		return s.reads.fetch(ctx, c, []member{who})
	})
	s.noteUnread(who, err != nil)
	if err != nil {
		s.failed("read the events of a user who came", s.keys.all("*_CARD"), err)
		return
	}
	s.writes.unstoreLater(s.mirror.own(events))
}

// noteUnread remembers whether adoptAgain is to read what the server has of a member. Those who
// have no socket any more are forgotten.
func (s *attendance) noteUnread(who member, unread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if unread {
		s.unread[who] = struct{}{}
	} else {
		delete(s.unread, who)
	}
}

// adoptAgain repeats what the server did not answer.
func (s *attendance) adoptAgain(ctx context.Context) {
	s.mu.Lock()
	unread := slices.Collect(maps.Keys(s.unread))
	s.mu.Unlock()
	each(ctx, s.guard, unread, func(who member) {
		lock := s.lockOf(who)
		lock.Lock()
		defer lock.Unlock()
		if s.mirror.isHere(who) {
			s.adopt(who)
		}
	})
}
