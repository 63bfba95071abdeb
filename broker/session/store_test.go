//go:build unix

package session

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker/redis"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"

	"go.uber.org/goleak"
)

// A cluster client refreshes its view of the cluster once more, a second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

func newRedis(t testing.TB, server *redistest.Server, o RedisOptions) *Redis {
	t.Helper()
	s := newRedisAt(t, server.URL(), o)
	testkit.Eventually(t, "store up", s.Up)
	return s
}

func newRedisAt(t testing.TB, url string, o RedisOptions) *Redis {
	t.Helper()
	config, err := redis.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	o.Server = config
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second // a slow machine is no failure
	}
	s := NewRedis(o)
	t.Cleanup(s.Close)
	return s
}

// claims are what every implementation promises.
var claims = []struct {
	name    string
	options Options
	test    func(*testing.T, Store)
}{
	{"LatestIsTheLastPutOfEachAction", Options{}, latestIsTheLastPutOfEachAction},
	{"WhatIsNewsOnlyIsNotStored", Options{}, whatIsNewsOnlyIsNotStored},
	{"PracticesAreApartAndIgnoreCase", Options{}, practicesAreApartAndIgnoreCase},
	{"ReplayIsOfActiveUsersOldestFirst", Options{}, replayIsOfActiveUsersOldestFirst},
	{"OnlyTheLastSocketEndsAUser", Options{}, onlyTheLastSocketEndsAUser},
	{"WhoLeavesKeepingLeavesItsState", Options{}, whoLeavesKeepingLeavesItsState},
	{"StrangeNamesDoNotCollide", Options{}, strangeNamesDoNotCollide},
	{"StoredEventsExpire", Options{TTL: 300 * time.Millisecond}, storedEventsExpire},
	{"ManyUsersAtOnce", Options{}, manyUsersAtOnce},
}

func TestStore(t *testing.T) {
	server := redistest.Start(t)
	cluster := redistest.StartNode(t)
	cluster.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	testkit.Eventually(t, "cluster", func() bool { return strings.Contains(cluster.Do("CLUSTER", "INFO"), "cluster_state:ok") })
	for _, c := range claims {
		t.Run(c.name, func(t *testing.T) {
			t.Run("memory", func(t *testing.T) { c.test(t, NewMemory(c.options)) })
			shared := RedisOptions{Options: c.options, Prefix: c.name + ":"}
			t.Run("redis", func(t *testing.T) { c.test(t, newRedis(t, server, shared)) })
			t.Run("cluster", func(t *testing.T) { c.test(t, newRedis(t, cluster, shared)) })
			t.Run("absent", func(t *testing.T) {
				c.test(t, newRedisAt(t, "redis://"+testkit.FreeAddr(t), shared))
			})
		})
	}
}

// said is the data of events, in order.
func said(events []Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.Data)
	}
	return strings.Join(all, " ")
}

func expect(t *testing.T, what string, got []Event, want string) {
	t.Helper()
	if s := said(got); s != want {
		t.Errorf("%s = %q; want %q", what, s, want)
	}
}

func latestIsTheLastPutOfEachAction(t *testing.T, s Store) {
	expect(t, "Latest of nobody", s.Latest("", "alice"), "")
	s.Put(stored("", "alice", Updating, "u1"))
	s.Put(stored("", "alice", Viewing, "v1"))
	s.Put(stored("", "alice", Updating, "u2"))
	s.Put(stored("", "bob", Updating, "b1"))
	expect(t, "Latest", s.Latest("", "alice"), "v1 u2")
	expect(t, "Latest of the default practice", s.Latest("MYPRACTICEID", "alice"), "v1 u2")
	expect(t, "Latest of a practice without her", s.Latest("other", "alice"), "")
}

func whatIsNewsOnlyIsNotStored(t *testing.T, s Store) {
	notice := stored("", "alice", Updating, "notice")
	notice.Type = DataNotification
	s.Put(notice)
	s.Put(stored("", "alice", Logout, "logout"))
	expect(t, "Latest", s.Latest("", "alice"), "")
}

func practicesAreApartAndIgnoreCase(t *testing.T, s Store) {
	s.Join("A", "alice")
	s.Join("b", "alice")
	s.Put(stored("a", "alice", Updating, "in-a"))
	s.Put(stored("B", "alice", Updating, "in-b"))
	expect(t, "Latest in A", s.Latest("A", "alice"), "in-a")
	expect(t, "Latest in b", s.Latest("b", "alice"), "in-b")
	expect(t, "Latest anywhere", s.Latest(AnyPractice, "alice"), "in-b")
	expect(t, "Replay of a", s.Replay("a"), "in-a")
	expect(t, "Replay of B", s.Replay("B"), "in-b")
	wantGone(t, s, "a", "alice")
	expect(t, "Replay of b after leaving a", s.Replay("b"), "in-b")
	expect(t, "Latest anywhere after leaving a", s.Latest(AnyPractice, "alice"), "in-b")
	wantGone(t, s, "B", "alice")
}

func replayIsOfActiveUsersOldestFirst(t *testing.T, s Store) {
	s.Join("", "alice")
	s.Put(stored("", "bob", Updating, "b1"))
	s.Put(stored("", "alice", Updating, "a2"))
	s.Put(stored("", "bob", Viewing, "b3"))
	s.Put(stored("", "carol", Viewing, "c4"))
	expect(t, "Replay with alice", s.Replay(""), "a2")
	s.Join("", "bob")
	expect(t, "Replay with both", s.Replay(""), "b1 a2 b3")
	s.Leave("", "alice", false)
	s.Leave("", "bob", false)
	expect(t, "Replay with nobody", s.Replay(""), "")
}

// wantGone closes a user's last socket. Without Redis nobody knows that it was.
func wantGone(t *testing.T, s Store, practice, user string) {
	t.Helper()
	shared, ok := s.(*Redis)
	certain := !ok || shared.Up()
	if last := s.Leave(practice, user, false); last != certain {
		t.Errorf("Leave of %q in %q = %v; want %v", user, practice, last, certain)
	}
	if certain {
		expect(t, fmt.Sprintf("Latest of %q in %q after Leave", user, practice), s.Latest(practice, user), "")
	}
}

func onlyTheLastSocketEndsAUser(t *testing.T, s Store) {
	s.Put(stored("", "dora", Updating, "d1"))
	s.Join("", "dora")
	s.Join("", "dora")
	if s.Leave("", "dora", false) {
		t.Error("first Leave of two = true")
	}
	expect(t, "Latest with a socket left", s.Latest("", "dora"), "d1")
	wantGone(t, s, "", "dora")
	expect(t, "Replay without", s.Replay(""), "")
	if s.Leave("", "dora", false) {
		t.Error("Leave of a user without sockets = true")
	}
}

func whoLeavesKeepingLeavesItsState(t *testing.T, s Store) {
	shared, ok := s.(*Redis)
	certain := !ok || shared.Up()
	for _, practice := range []string{"", "p"} {
		s.Put(stored(practice, "alice", Updating, "x"))
		s.Join(practice, "alice")
		if last := s.Leave(practice, "alice", true); last != certain {
			t.Errorf("Leave(%q, alice) = %v; want %v", practice, last, certain)
		}
		expect(t, "Replay of nobody", s.Replay(practice), "")
		expect(t, "Latest of who is not active", s.Latest(practice, "alice"), "x")
		s.Join(practice, "alice")
		expect(t, "Replay of who is back", s.Replay(practice), "x")
		wantGone(t, s, practice, "alice")
	}
}

func strangeNamesDoNotCollide(t *testing.T, s Store) {
	names := []string{
		"a", "a:UPDATING_CARD", "a%3AUPDATING_CARD", "a/b", "b", "a%2Fb", "A", "%", "%25", ":", "/", "//", "{a}", "a}b{",
		"users", "a:SOCKETS", "a:PRACTICES", "ünïcödé", "unicode", "名前", " a", "a ", "\x00", "\r\nDEL a", "*", "a*", "?",
		strings.Repeat("x", MaxName), strings.Repeat("x", MaxName-1), strings.Repeat(":", MaxName),
	}
	for k, name := range names {
		s.Join("", name)
		s.Put(stored("", name, Updating, fmt.Sprint("d", k)))
		s.Join("a", name)
		s.Put(stored("a", name, Updating, fmt.Sprint("a", k)))
	}
	for k, name := range names {
		expect(t, fmt.Sprintf("Latest of %q", name), s.Latest("", name), fmt.Sprint("d", k))
		expect(t, fmt.Sprintf("Latest in a of %q", name), s.Latest("a", name), fmt.Sprint("a", k))
	}
	if n := len(s.Replay("")); n != len(names) {
		t.Errorf("Replay has %d events; want %d", n, len(names))
	}
	for _, name := range names {
		wantGone(t, s, "a", name)
		wantGone(t, s, "", name)
	}
}

func storedEventsExpire(t *testing.T, s Store) {
	s.Join("", "erin")
	defer s.Leave("", "erin", false)
	s.Put(stored("", "erin", Updating, "e1"))
	testkit.Eventually(t, "expiry", func() bool { return len(s.Latest("", "erin"))+len(s.Replay("")) == 0 })
}

func manyUsersAtOnce(t *testing.T, s Store) {
	const users, rounds = 8, 20
	var all sync.WaitGroup
	lasts := make([]int, users)
	events := make([]Event, users)
	for u := range users {
		events[u] = stored("", fmt.Sprint("user", u), Updating, "x")
	}
	var mu sync.Mutex
	for range 2 {
		for u := range users {
			all.Go(func() {
				for range rounds {
					name := fmt.Sprint("user", u)
					s.Join("", name)
					s.Put(events[u])
					s.Replay("")
					s.Latest("", name)
					if s.Leave("", name, false) {
						mu.Lock()
						lasts[u]++
						mu.Unlock()
					}
				}
			})
		}
	}
	all.Wait()
	shared, ok := s.(*Redis)
	for u, n := range lasts {
		if n < 1 && (!ok || shared.Up()) { // without Redis nobody knows
			t.Errorf("user %d: last %d times; want at least once", u, n)
		}
	}
	if left := s.Replay(""); len(left) != 0 {
		t.Errorf("Replay after all left: %d events", len(left))
	}
}

func TestMemoryIsBoundedAndGivesUpTheOldest(t *testing.T) {
	m := NewMemory(Options{MaxEvents: 3})
	for k := range 5 {
		m.Put(stored("", fmt.Sprint("u", k), Updating, fmt.Sprint(k)))
	}
	var left []string
	for k := range 5 {
		left = append(left, said(m.Latest("", fmt.Sprint("u", k))))
	}
	if want := []string{"", "", "2", "3", "4"}; !slices.Equal(left, want) {
		t.Errorf("left %q; want %q", left, want)
	}
	if st := m.Stats(); st.Events != 3 || st.Evicted != 2 || len(m.stored.places) != 3 {
		t.Errorf("stats %+v, %d users", st, len(m.stored.places))
	}

	m = NewMemory(Options{MaxBytes: 100_000})
	for k := range 50 {
		m.Put(stored("", fmt.Sprint("u", k), Updating, strings.Repeat("x", 10_000)))
	}
	if st := m.Stats(); st.Bytes > 100_000 || st.Events < 8 {
		t.Errorf("stats %+v; want about 9 events in 100,000 bytes", st)
	}
}

// Somebody submits in a hundred thousand practices for one user.
func TestAUserHasEventsInFewPractices(t *testing.T) {
	m := NewMemory(Options{})
	m.Join("here", "alice")
	m.Put(stored("here", "alice", Updating, "kept"))
	const practices = 100_000
	for n := range practices {
		m.Put(stored(fmt.Sprint("p", n), "alice", Updating, fmt.Sprint(n)))
	}
	if n := len(m.stored.places["alice"]); n != maxPractices {
		t.Errorf("events of %d practices are stored; want %d", n, maxPractices)
	}
	if st := m.Stats(); st.Evicted != practices+1-maxPractices {
		t.Errorf("%d events were given up; want %d", st.Evicted, practices+1-maxPractices)
	}
	expect(t, "Latest anywhere", m.Latest(AnyPractice, "alice"), fmt.Sprint(practices-1))
	expect(t, "Replay where alice has a socket", m.Replay("here"), "kept")
}

// What is stored of users without a socket is bounded apart, and goes first.
func TestMemoryOfUsersWithoutASocketIsBounded(t *testing.T) {
	m := NewMemory(Options{MaxAbsentBytes: 1 << 20, MaxBytes: 3 << 20})
	m.Join("p", "alice")
	m.Put(stored("p", "alice", Updating, "kept"))
	m.Put(stored("p", "bob", Updating, "bob's"))
	m.Join("p", "bob")
	for n := range 1000 {
		m.Put(stored("p", fmt.Sprint("u", n), Updating, strings.Repeat("x", 255<<10)))
		if st := m.Stats(); st.Absent > 1<<20 {
			t.Fatalf("after %d events %d bytes are of users without a socket; want %d at most", n+1, st.Absent, 1<<20)
		}
	}
	expect(t, "Latest of who has a socket", m.Latest("p", "alice"), "kept")
	expect(t, "Latest of who got one later", m.Latest("p", "bob"), "bob's")
	m.Leave("p", "alice", true)
	for n := range 10 {
		m.Put(stored("p", fmt.Sprint("u", n), Updating, strings.Repeat("x", 255<<10)))
	}
	expect(t, "Latest of who has none any more", m.Latest("p", "alice"), "")
	m.Leave("p", "bob", false)
	if st := m.Stats(); st.Bytes != st.Absent || m.stored.present.list.Len() != 0 {
		t.Errorf("stats %+v with nobody there; want all to be of users without a socket", st)
	}
}

// Events of one millisecond, in practices that a map holds in any order.
func TestMemoryKnowsWhichOfOneMillisecondIsLatest(t *testing.T) {
	m := NewMemory(Options{})
	for i, practice := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		m.Put(Event{ID: practice, Source: "alice", Target: practice, Action: Updating, Type: UserSession, Practice: practice, At: 1})
		for range 10 {
			if got := m.Latest(AnyPractice, "alice"); len(got) != 1 || got[0].ID != practice {
				t.Fatalf("Latest() after event %d of the same millisecond = %+v; want event %q alone", i, got, practice)
			}
		}
	}
}
