//go:build unix

package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
)

// A stranger stores events of users who get a socket then, pushes them out of the memory
// by those of others, and closes all sockets before anybody counts as active.
func TestRedisOfUsersWhoWereHereForAMomentIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const budget, size, users = 500_000, 50_000, 40
	s := newRedis(t, server, RedisOptions{Options: Options{MaxAbsentBytes: budget, MaxBytes: users / 2 * 60_000}, Lease: time.Hour})
	for n := range users {
		user := fmt.Sprint("u", n)
		put := func() { s.Put(stored("p", user, Updating, strings.Repeat("x", size))) }
		if n < users/2 {
			put()
			s.Join("p", user)
		} else {
			s.Join("p", user)
			put()
		}
	}
	events := func() int { return len(strings.Fields(server.Do("KEYS", "*:UPDATING_CARD"))) }
	if n := events(); n != users {
		t.Fatalf("%d events of users with a socket are in Redis; want %d", n, users)
	}
	if n := s.Stats().Mirror.Evicted; n < users/3 {
		t.Fatalf("%d events were given up; the test wants more", n)
	}
	for n := range users {
		s.Leave("p", fmt.Sprint("u", n), true)
	}
	if n := events(); n*size > budget || n < budget/size/2 {
		t.Errorf("%d events of users without a socket are in Redis; want %d at most, and not few", n, budget/size)
	}
	if st := s.Stats().Mirror; st.Absent > budget {
		t.Errorf("%d bytes in memory are of users without a socket; want %d at most", st.Absent, budget)
	}
	expect(t, "Latest of who left last", s.Latest("p", fmt.Sprint("u", users-1)), strings.Repeat("x", size))
}

// The instance that stored an event may have given it up while its user had a socket at
// another one, which has to see to it then.
func TestWhatAnotherInstanceGaveUpIsBoundedWhereTheUserLeaves(t *testing.T) {
	server := redistest.Start(t)
	const budget, size = 500_000, 50_000
	o := RedisOptions{Options: Options{MaxAbsentBytes: budget}, Lease: time.Hour}
	a, b := newRedis(t, server, o), newRedis(t, server, o)
	a.Put(stored("p", "alice", Updating, "kept"))
	b.Join("p", "alice") // b was not told of the event
	fill := func(s *Redis, name string) {
		for n := range 2 * budget / size {
			s.Put(stored("p", fmt.Sprint(name, n), Updating, strings.Repeat("x", size)))
		}
	}
	fill(a, "first")
	a.Join("p", "alice")
	a.Leave("p", "alice", true)
	expect(t, "Replay where the user has a socket", b.Replay("p"), "kept")
	if !b.Leave("p", "alice", true) {
		t.Error("Leave = false; it was the last socket")
	}
	expect(t, "Latest of who left", a.Latest("p", "alice"), "kept")
	fill(b, "second")
	expect(t, "Latest when there was no room any more", a.Latest("p", "alice"), "")
	if left := server.Do("KEYS", "p/alice:*"); left != "" {
		t.Errorf("%q is left", left)
	}
}

// What is taken over from another instance does not begin to be stored anew.
func TestWhatIsTakenOverIsAsOldAsItWas(t *testing.T) {
	server := redistest.Start(t)
	a := newRedis(t, server, RedisOptions{Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Options: Options{TTL: time.Hour}, Lease: time.Hour})
	e := stored("p", "alice", Updating, "x")
	e.At = time.Now().Add(-50 * time.Minute).UnixMilli()
	a.Put(e)
	b.Join("p", "alice")
	b.Leave("p", "alice", true)
	if _, ttl, ok := b.mirror.get(entryKey{member{"p", "alice"}, Updating}); !ok || ttl > 10*time.Minute {
		t.Errorf("the event is valid for %v, %v; want 10 minutes at most", ttl, ok)
	}
}

func TestMemoryOfUsersWhoLeaveIsBounded(t *testing.T) {
	const budget, size, users = 500_000, 50_000, 30
	m := NewMemory(Options{MaxAbsentBytes: budget})
	for n := range users {
		user := fmt.Sprint("u", n)
		m.Join("p", user)
		m.Put(stored("p", user, Updating, strings.Repeat("x", size)))
	}
	for n := range users {
		m.Leave("p", fmt.Sprint("u", n), true)
	}
	if st := m.Stats(); st.Absent > budget || st.Events == 0 {
		t.Errorf("stats %+v; want some events in %d bytes at most", st, budget)
	}
}
